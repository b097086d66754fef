// A clock that tests set. Thread-safe.
#ifndef TESTS_SUPPORT_FAKE_CLOCK_H_
#define TESTS_SUPPORT_FAKE_CLOCK_H_

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace oneagent {

class FakeClock final : public Clock {
 public:
  // Starts at 2026-11-22T10:00:00Z.
  absl::Time Now() const override {
    MutexLock lock(mu_);
    return now_;
  }
  // Starts at an hour.
  absl::Duration Uptime() const override {
    MutexLock lock(mu_);
    return uptime_;
  }
  // Somebody sets the wall clock: the time since the boot goes on as it did.
  void Set(absl::Time now) {
    MutexLock lock(mu_);
    now_ = now;
  }
  void Advance(absl::Duration by) {
    MutexLock lock(mu_);
    now_ += by;
    uptime_ += by;
  }

 private:
  mutable Mutex mu_;
  absl::Time now_ ABSL_GUARDED_BY(mu_) = absl::FromUnixSeconds(1795341600);
  absl::Duration uptime_ ABSL_GUARDED_BY(mu_) = absl::Hours(1);
};

}  // namespace oneagent

#endif  // TESTS_SUPPORT_FAKE_CLOCK_H_
