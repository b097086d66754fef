// What the faults have made of the node: who asks something of it says what it
// was like before and after. Set by the one thread that injects faults, read by
// all. Thread-safe.
#ifndef TESTS_SOAK_WEATHER_H_
#define TESTS_SOAK_WEATHER_H_

#include <cstdint>

#include "absl/time/time.h"
#include "base/mutex.h"

namespace oneagent {

struct Weather {
  bool mounter_is_up = false;
  bool disk_is_full = false;
  // Nothing is broken, and everything broken before has been put right: every
  // valid call must succeed.
  bool is_calm = false;
  // How often each has happened.
  int64_t calms = 0;
  int64_t mounter_ends = 0;
  int64_t clock_jumps = 0;
  absl::Time last_clock_jump = absl::InfinitePast();
  int64_t full_disks = 0;
  // The mounter ended while the disk was full: what it could write nowhere is
  // forgotten.
  int64_t memory_losses = 0;

  bool operator==(const Weather&) const = default;
};

// The mounter was up all the time between the two.
inline bool IsUndisturbed(const Weather& before, const Weather& after) {
  return before.mounter_is_up && after.mounter_is_up &&
         before.mounter_ends == after.mounter_ends;
}
inline bool IsCalm(const Weather& before, const Weather& after) {
  return before.is_calm && before == after;
}
inline bool MayHaveBeenFull(const Weather& before, const Weather& after) {
  return before.disk_is_full || after.disk_is_full ||
         before.full_disks != after.full_disks;
}

class WeatherStation {
 public:
  Weather Now() const {
    MutexLock lock(mu_);
    return weather_;
  }
  template <typename Change>
  void Set(Change change) {
    MutexLock lock(mu_);
    change(weather_);
    changed_.NotifyAll();
  }
  // At most a second: the caller looks at other things, too.
  void WaitForMounter() {
    MutexLock lock(mu_);
    if (!weather_.mounter_is_up) changed_.WaitFor(mu_, absl::Seconds(1));
  }

 private:
  mutable Mutex mu_;
  CondVar changed_;
  Weather weather_ ABSL_GUARDED_BY(mu_);
};

}  // namespace oneagent

#endif  // TESTS_SOAK_WEATHER_H_
