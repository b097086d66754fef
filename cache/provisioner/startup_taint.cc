#include "cache/provisioner/startup_taint.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/deadline.h"

namespace oneagent {

StartupTaint::StartupTaint(Parts parts)
    : parts_(std::move(parts)), errors_(parts_.observer) {}

StartupTaint::~StartupTaint() {
  {
    MutexLock lock(mu_);
    ending_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void StartupTaint::Look(bool agent_is_cached) {
  if (thread_.joinable() || !agent_is_cached) return;
  const absl::StatusOr<std::string> reconciled =
      parts_.index.ReconciledBootId();
  if (!reconciled.ok() || *reconciled != parts_.boot_id) return;
  thread_ = std::thread([this] { Remove(); });
}

void StartupTaint::Remove() {
  absl::Duration pause = kShortestPause;
  while (true) {
    const absl::Status status = parts_.remove();
    errors_.Report(Chore::kRemoveTaint, status);
    MutexLock lock(mu_);
    if (status.ok()) {
      is_done_ = true;
      changed_.NotifyAll();
      return;
    }
    const Deadline next(pause);
    while (!ending_ && !next.IsOver()) changed_.WaitFor(mu_, next.Left());
    if (ending_) return;
    pause = std::min(pause * 2, kLongestPause);
  }
}

bool StartupTaint::WaitUntilDone(absl::Duration timeout) {
  const Deadline deadline(timeout);
  MutexLock lock(mu_);
  while (!is_done_ && !deadline.IsOver()) {
    changed_.WaitFor(mu_, deadline.Left());
  }
  return is_done_;
}

}  // namespace oneagent
