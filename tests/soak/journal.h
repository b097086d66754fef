// What the run has done and found: counts operations, keeps the last faults,
// and tells of each violation what went before it. Thread-safe.
#ifndef TESTS_SOAK_JOURNAL_H_
#define TESTS_SOAK_JOURNAL_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace oneagent {

// What has befallen one volume, oldest first. One thread's.
using Story = std::vector<std::string>;

class Journal {
 public:
  explicit Journal(int64_t most_violations)
      : most_violations_(most_violations) {}

  // Each CSI call and each fault is one. Its number.
  int64_t CountOperation() { return ++operations_; }
  int64_t operations() const { return operations_; }

  // "<seconds since the start> <text>", for a story.
  std::string Line(absl::string_view text) const;
  void NoteFault(absl::string_view text);

  // For the summary: how often each thing happened.
  void Tally(const std::string& what);
  std::map<std::string, int64_t> Tallies() const;

  // `what` must not have happened.
  void Violate(absl::string_view what, const Story& story);
  // So often that the run stops.
  bool is_over() const { return violations_ >= most_violations_; }
  int64_t violations() const { return violations_; }
  // The whole story of each.
  std::string Accounts() const;

 private:
  const absl::Time start_ = absl::Now();
  std::atomic<int64_t> operations_{0};
  const int64_t most_violations_;
  std::atomic<int64_t> violations_{0};
  mutable Mutex mu_;
  std::deque<std::string> faults_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, int64_t> tallies_ ABSL_GUARDED_BY(mu_);
  std::string accounts_ ABSL_GUARDED_BY(mu_);
};

}  // namespace oneagent

#endif  // TESTS_SOAK_JOURNAL_H_
