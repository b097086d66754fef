// The clocks as a port, so that tests set the time. Thread-safe.
#ifndef BASE_CLOCK_H_
#define BASE_CLOCK_H_

#include <ctime>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace oneagent {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;
  // Time since this boot, suspends included (CLOCK_BOOTTIME): no one sets it,
  // so what must not be fooled by a wall clock that jumps counts by it.
  virtual absl::Duration Uptime() const = 0;
};

class SystemClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
  absl::Duration Uptime() const override {
    timespec time = {};
    // It fails for a clock that does not exist only.
    (void)clock_gettime(CLOCK_BOOTTIME, &time);
    return absl::DurationFromTimespec(time);
  }
};

}  // namespace oneagent

#endif  // BASE_CLOCK_H_
