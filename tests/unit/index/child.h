// Doing something in another process, which shares no lock, no page cache and
// no descriptor with the test.
#ifndef TESTS_UNIT_INDEX_CHILD_H_
#define TESTS_UNIT_INDEX_CHILD_H_

#include <sys/types.h>

#include <functional>

namespace oneagent {

// Starts a child that runs `work` and exits with what it returns.
pid_t StartChild(const std::function<int()>& work);

// The child's exit code; -1 when it was killed.
int WaitForChild(pid_t child);

// Both.
int InChild(const std::function<int()>& work);

}  // namespace oneagent

#endif  // TESTS_UNIT_INDEX_CHILD_H_
