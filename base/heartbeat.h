// A loop's sign of life. Thread-safe.
#ifndef BASE_HEARTBEAT_H_
#define BASE_HEARTBEAT_H_

#include <atomic>
#include <chrono>
#include <cstdint>

#include "absl/time/time.h"

namespace oneagent {

class Heartbeat {
 public:
  void Beat() { last_ = Now(); }

  // Since the last beat, by a clock that nobody sets; zero before the first.
  absl::Duration Silence() const {
    const int64_t last = last_;
    return absl::Nanoseconds(last == 0 ? 0 : Now() - last);
  }

 private:
  static int64_t Now() {
    return std::chrono::nanoseconds(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }

  std::atomic<int64_t> last_{0};
};

}  // namespace oneagent

#endif  // BASE_HEARTBEAT_H_
