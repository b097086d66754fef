// Wall clock as a port, so that tests set the time. Thread-safe.
#ifndef BASE_CLOCK_H_
#define BASE_CLOCK_H_

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace oneagent {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;
};

class SystemClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
};

}  // namespace oneagent

#endif  // BASE_CLOCK_H_
