#include "csi/periodic_task.h"

#include <utility>

namespace oneagent {

PeriodicTask::PeriodicTask(absl::Duration first, absl::Duration interval,
                           std::function<void()> run_once)
    : first_(first),
      interval_(interval),
      run_once_(std::move(run_once)),
      thread_([this] { Loop(); }) {}

PeriodicTask::~PeriodicTask() {
  {
    MutexLock lock(mu_);
    stop_ = true;
    stop_cv_.NotifyAll();
  }
  thread_.join();
}

void PeriodicTask::Loop() {
  for (absl::Duration pause = first_;; pause = interval_) {
    {
      MutexLock lock(mu_);
      // A spurious wake-up only makes a call come early.
      if (!stop_) stop_cv_.WaitFor(mu_, pause);
      if (stop_) return;
    }
    run_once_();
  }
}

}  // namespace oneagent
