// A mount namespace of the test's own, so that what it mounts is gone with it.
#ifndef TESTS_SUPPORT_PRIVATE_MOUNTS_H_
#define TESTS_SUPPORT_PRIVATE_MOUNTS_H_

namespace oneagent {

// Moves this process into a private mount namespace, once; call it from a
// fixture's SetUpTestSuite, before the process has a second thread. Aborts with
// a clear line when the process may not (tests run as root).
void EnterPrivateMountNamespace();

}  // namespace oneagent

#endif  // TESTS_SUPPORT_PRIVATE_MOUNTS_H_
