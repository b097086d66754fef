// One line at the foot of a terminal that shows how far a transfer is. Nothing
// is written when the descriptor is not a terminal. Thread-safe; of several
// transfers the one that moved last is shown.
#ifndef CACHE_PROVISIONER_PROGRESS_BAR_H_
#define CACHE_PROVISIONER_PROGRESS_BAR_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace oneagent {

// "download 1.2.3 [#####.....]  50 %  210/420 MB", at most `width` columns;
// without a total just what is done. Pure.
std::string ProgressLine(absl::string_view label, int64_t done, int64_t total,
                         int width);

class ProgressBar {
 public:
  // `fd` is borrowed.
  explicit ProgressBar(int fd);

  // Draws, at most ten times a second but always the end.
  void Show(absl::string_view label, int64_t done, int64_t total);
  // Wipes the line away: before anything else is written to the terminal.
  void Clear();

 private:
  const int fd_;
  const bool is_terminal_;

  Mutex mu_;
  bool is_shown_ ABSL_GUARDED_BY(mu_) = false;
  absl::Time drawn_at_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_PROGRESS_BAR_H_
