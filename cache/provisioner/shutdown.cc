#include "cache/provisioner/shutdown.h"

#include "absl/time/clock.h"

namespace oneagent {

void Shutdown::Request() {
  MutexLock lock(mu_);
  is_requested_ = true;
  requested_.NotifyAll();
}

bool Shutdown::IsRequested() const {
  MutexLock lock(mu_);
  return is_requested_;
}

void Shutdown::Sleep(absl::Duration duration) {
  const absl::Time until = absl::Now() + duration;
  MutexLock lock(mu_);
  while (!is_requested_) {
    const absl::Duration left = until - absl::Now();
    if (left <= absl::ZeroDuration()) return;
    requested_.WaitFor(mu_, left);
  }
}

absl::StatusOr<FetchResult> CancellableFetcher::Fetch(
    const FetchRequest& request) {
  FetchRequest cancellable = request;
  cancellable.cancelled = [this] { return shutdown_.IsRequested(); };
  return fetcher_.Fetch(cancellable);
}

}  // namespace oneagent
