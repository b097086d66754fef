// Who waits for a file lock, as the kernel lists it: a test can see that a
// process has got as far as a lock that the test holds.
#ifndef TESTS_SUPPORT_LOCK_WAITERS_H_
#define TESTS_SUPPORT_LOCK_WAITERS_H_

#include <string>

namespace oneagent {

// Number of waiters for a lock on the inode of `path`, of all processes.
int LockWaiters(const std::string& path);

}  // namespace oneagent

#endif  // TESTS_SUPPORT_LOCK_WAITERS_H_
