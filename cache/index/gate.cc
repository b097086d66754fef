#include "cache/index/gate.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace oneagent {

namespace {

// As good as for ever, and still a time that can be added to now.
std::chrono::nanoseconds Bounded(absl::Duration duration) {
  return absl::ToChronoNanoseconds(std::min(duration, absl::Hours(24 * 365)));
}

}  // namespace

Gate::Gate(absl::Duration patience, absl::Duration pause)
    : patience_(Bounded(patience)), pause_(Bounded(pause)) {}

// The annotations describe the gate itself, not its mutex.
bool Gate::Enter() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  const SteadyClock::time_point deadline = SteadyClock::now() + patience_;
  MutexLock lock(mu_);
  while (true) {
    if (IsShut()) return false;
    if (!is_taken_) break;
    const SteadyClock::duration left = deadline - SteadyClock::now();
    if (left <= SteadyClock::duration::zero()) {
      ShutLocked("index: another call does not come to its end");
      return false;
    }
    changed_.WaitFor(mu_, absl::FromChrono(left));
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
  ShutLocked(std::string(why.message()));
}

void Gate::ShutLocked(std::string why) {
  why_ = std::move(why);
  if (pause_ == SteadyClock::duration::zero()) return;
  shut_until_ = SteadyClock::now() + pause_;
  changed_.NotifyAll();
}

void Gate::Open() {
  MutexLock lock(mu_);
  shut_until_ = {};
}

absl::Status Gate::Refusal() {
  MutexLock lock(mu_);
  return absl::UnavailableError(
      IsShut() ? absl::StrCat(why_, " (not tried again yet)") : why_);
}

}  // namespace oneagent
