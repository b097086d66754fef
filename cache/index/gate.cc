#include "cache/index/gate.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/deadline.h"

namespace oneagent {

namespace {

// As good as for ever, and still a time that can be added to now.
std::chrono::nanoseconds Bounded(absl::Duration duration) {
  return absl::ToChronoNanoseconds(std::min(duration, absl::Hours(24 * 365)));
}

}  // namespace

Gate::Gate(absl::Duration pause) : pause_(Bounded(pause)) {}

// The annotations describe the gate itself, not its mutex.
bool Gate::Enter(absl::Duration patience) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  const Deadline deadline(patience);
  MutexLock lock(mu_);
  while (true) {
    if (IsShut()) return false;
    if (!is_taken_) break;
    const absl::Duration left = deadline.Left();
    if (left == absl::ZeroDuration()) return false;
    changed_.WaitFor(mu_, left);
  }
  is_taken_ = true;
  return true;
}

void Gate::EnterUnchecked() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  MutexLock lock(mu_);
  while (is_taken_) changed_.Wait(mu_);
  is_taken_ = true;
}

void Gate::Leave() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  MutexLock lock(mu_);
  is_taken_ = false;
  changed_.NotifyOne();
}

void Gate::Shut(const absl::Status& why) {
  MutexLock lock(mu_);
  why_ = std::string(why.message());
  if (pause_ == SteadyClock::duration::zero()) return;
  shut_until_ = SteadyClock::now() + pause_;
  changed_.NotifyAll();
}

void Gate::Open() {
  MutexLock lock(mu_);
  shut_until_ = {};
  why_.clear();
}

absl::Status Gate::Refusal() {
  MutexLock lock(mu_);
  if (why_.empty()) {
    return absl::UnavailableError("index: no turn within the deadline");
  }
  return absl::UnavailableError(
      IsShut() ? absl::StrCat(why_, " (not tried again yet)") : why_);
}

}  // namespace oneagent
