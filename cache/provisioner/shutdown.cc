#include "cache/provisioner/shutdown.h"

#include <utility>

#include "base/deadline.h"

namespace oneagent {

void Shutdown::Request() {
  MutexLock lock(mu_);
  is_requested_ = true;
  requested_.NotifyAll();
  if (waker_ != nullptr) waker_();
}

void Shutdown::SetWaker(std::function<void()> waker) {
  MutexLock lock(mu_);
  waker_ = std::move(waker);
  if (is_requested_ && waker_ != nullptr) waker_();
}

bool Shutdown::IsRequested() const {
  MutexLock lock(mu_);
  return is_requested_;
}

void Shutdown::Sleep(absl::Duration duration) {
  const Deadline deadline(duration);
  MutexLock lock(mu_);
  while (!is_requested_) {
    const absl::Duration left = deadline.Left();
    if (left == absl::ZeroDuration()) return;
    requested_.WaitFor(mu_, left);
  }
}

absl::StatusOr<FetchResult> CancellableFetcher::Fetch(
    const FetchRequest& request) {
  FetchRequest cancellable = request;
  cancellable.cancelled = [this, &request] {
    return shutdown_.IsRequested() ||
           (request.cancelled && request.cancelled());
  };
  return fetcher_.Fetch(cancellable);
}

}  // namespace oneagent
