// A mount namespace of the test's own, so that what it mounts is gone with it.
#ifndef TESTS_SUPPORT_PRIVATE_MOUNTS_H_
#define TESTS_SUPPORT_PRIVATE_MOUNTS_H_

#include <string>

namespace oneagent {

// Moves this process into a private mount namespace, once; call it from a
// fixture's SetUpTestSuite, before the process has a second thread. Aborts with
// a clear line when the process may not (tests run as root).
void EnterPrivateMountNamespace();

// A disk that overlays can have their upper layers on: where `dir` lies on an
// overlay itself (a container's /tmp), a tmpfs is mounted on it, for as long
// as this lives. Only inside a private mount namespace.
class OverlayDisk {
 public:
  explicit OverlayDisk(const std::string& dir);
  ~OverlayDisk();
  OverlayDisk(const OverlayDisk&) = delete;
  OverlayDisk& operator=(const OverlayDisk&) = delete;

 private:
  std::string mounted_;  // empty: nothing had to be
};

}  // namespace oneagent

#endif  // TESTS_SUPPORT_PRIVATE_MOUNTS_H_
