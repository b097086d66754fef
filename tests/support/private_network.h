// A network namespace of the test's own: nothing but loopback, and ports that
// nobody else has. What a test starts there can be reached by nobody else.
#ifndef TESTS_SUPPORT_PRIVATE_NETWORK_H_
#define TESTS_SUPPORT_PRIVATE_NETWORK_H_

namespace oneagent {

// Moves this process into a private network namespace with its loopback up,
// once; call it before the process has a second thread. Aborts with a clear
// line when the process may not (tests run as root).
void EnterPrivateNetwork();

}  // namespace oneagent

#endif  // TESTS_SUPPORT_PRIVATE_NETWORK_H_
