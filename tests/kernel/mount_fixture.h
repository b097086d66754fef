// Real mounts on the running kernel, in a mount namespace of the test's own:
// a small tmpfs as the node's disk, layers on it, and one target. Everything a
// test mounts on the target is unmounted at its end; the leak check sees to
// the rest.
#ifndef TESTS_KERNEL_MOUNT_FIXTURE_H_
#define TESTS_KERNEL_MOUNT_FIXTURE_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "gtest/gtest.h"
#include "overlay/kernel_mounter.h"
#include "overlay/layer_stack.h"
#include "overlay/mount_table.h"
#include "tests/support/kernel_capability.h"
#include "tests/support/leak_check.h"
#include "tests/support/temp_dir.h"

namespace oneagent {

// A uid and gid that owns nothing.
inline constexpr uid_t kPodUid = 4711;

// Runs `body` in a forked child and returns its exit code (-1: it was killed).
int RunInChild(const std::function<int()>& body);
// The same as uid and gid `uid` without groups, in the directory `cwd`, which
// is entered with root's rights, as a container's process finds it mounted.
int RunAs(uid_t uid, const std::string& cwd, const std::function<int()>& body);

// Writes `content` to an existing or new file; 0 or the errno. For children,
// where test macros say nothing.
int WriteTo(const std::string& path, const std::string& content);
// What is in a file, "<errno text>" if it cannot be read.
std::string Contents(const std::string& path);

// A tmpfs at `path` by mount(2), as somebody else would mount it.
void MountForeign(const std::string& path);
// umount2 of `path`; 0 or the errno.
int UnmountRaw(const std::string& path);

class MountFixture : public testing::Test {
 protected:
  static void SetUpTestSuite();
  void SetUp() override;
  void TearDown() override;

  // "<disk>/<relative>".
  std::string Disk(const std::string& relative) const;
  // Makes a directory on the disk, parents too.
  std::string MakeLayer(const std::string& relative, mode_t mode = 0755);
  void WriteLayerFile(const std::string& path, const std::string& content,
                      uid_t owner = 0, mode_t mode = 0644);

  // Plans over agent + config (+ upper and work unless read-only).
  OverlayPlan Writable() const;
  OverlayPlan ReadOnly() const;

  MountTarget target() const;
  const std::string& target_path() const { return target_path_; }
  std::string InTarget(const std::string& relative) const;
  int pod_fd() const { return parent_.get(); }

  // The mount table's entries at the target, lowest first.
  std::vector<MountEntry> Mounts() const;
  // The kernel's word by (parent, name): is the target a mount root?
  bool IsMountRoot() const;

  LeakCheck leak_check_;
  TempDir temp_;

 private:
  std::string disk_;
  std::string target_path_;
  UniqueFd parent_;
};

// The ways by which this kernel mounts overlays. What the tests of the others
// would be is reported as missing when the program starts.
std::vector<MountApi> ApisOfThisKernel();

// What mounting by `api` asks of the kernel; kLegacy asks for nothing.
Capability CapabilityFor(MountApi api);

// The same for every way that this kernel has.
class EveryApi : public MountFixture,
                 public testing::WithParamInterface<MountApi> {
 protected:
  void SetUp() override;
  KernelMounter mounter_{GetParam()};
};

// "LayerFds", … for test names.
std::string ApiName(const testing::TestParamInfo<MountApi>& info);

#define INSTANTIATE_FOR_EVERY_API(suite)  \
  INSTANTIATE_TEST_SUITE_P(Kernel, suite, \
                           testing::ValuesIn(ApisOfThisKernel()), ApiName)

}  // namespace oneagent

#endif  // TESTS_KERNEL_MOUNT_FIXTURE_H_
