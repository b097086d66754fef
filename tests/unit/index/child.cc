#include "tests/unit/index/child.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace oneagent {

pid_t StartChild(const std::function<int()>& work) {
  fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) abort();
  // Not exit(): the test's own clean-up is the parent's business.
  if (child == 0) _exit(work());
  return child;
}

int WaitForChild(pid_t child) {
  int status = 0;
  if (waitpid(child, &status, 0) != child) abort();
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int InChild(const std::function<int()>& work) {
  return WaitForChild(StartChild(work));
}

}  // namespace oneagent
