// What a process has of the machine, by /proc. Thread-safe.
#ifndef TESTS_SUPPORT_PROCESS_FIGURES_H_
#define TESTS_SUPPORT_PROCESS_FIGURES_H_

#include <sys/types.h>

#include <cstdint>

namespace oneagent {

struct ProcessFigures {
  int64_t rss_kib = 0;
  int64_t peak_rss_kib = 0;
  int descriptors = 0;
};
// A test failure when the process is not there.
ProcessFigures FiguresOf(pid_t pid);

}  // namespace oneagent

#endif  // TESTS_SUPPORT_PROCESS_FIGURES_H_
