// How long to wait still, by a clock that nobody sets: with the wall clock, a
// wait of a second lasts an hour when that is put back by one.
#ifndef BASE_DEADLINE_H_
#define BASE_DEADLINE_H_

#include <algorithm>
#include <chrono>

#include "absl/time/time.h"

namespace oneagent {

class Deadline {
 public:
  // `timeout` from now; infinite: never.
  explicit Deadline(absl::Duration timeout) : timeout_(timeout) {}

  // Zero when it is over.
  absl::Duration Left() const {
    const auto passed = std::chrono::steady_clock::now() - start_;
    return std::max(timeout_ - absl::FromChrono(passed), absl::ZeroDuration());
  }
  bool IsOver() const { return Left() == absl::ZeroDuration(); }

 private:
  const std::chrono::steady_clock::time_point start_ =
      std::chrono::steady_clock::now();
  const absl::Duration timeout_;
};

}  // namespace oneagent

#endif  // BASE_DEADLINE_H_
