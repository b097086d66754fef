#include "cache/provisioner/worker_pool.h"

#include <utility>

#include "base/deadline.h"

namespace oneagent {

WorkerPool::WorkerPool(int threads) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Work(); });
  }
}

WorkerPool::~WorkerPool() {
  Stop();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::Submit(std::function<void()> job) {
  MutexLock lock(mu_);
  if (stopping_) return;
  jobs_.push_back(std::move(job));
  work_.NotifyOne();
}

bool WorkerPool::WaitUntilIdle(absl::Duration timeout) {
  const Deadline deadline(timeout);
  MutexLock lock(mu_);
  while (running_ > 0 || !jobs_.empty()) {
    const absl::Duration left = deadline.Left();
    if (left == absl::ZeroDuration()) return false;
    if (left == absl::InfiniteDuration()) {
      idle_.Wait(mu_);
    } else {
      idle_.WaitFor(mu_, left);
    }
  }
  return true;
}

void WorkerPool::Stop() {
  MutexLock lock(mu_);
  stopping_ = true;
  jobs_.clear();
  work_.NotifyAll();
}

void WorkerPool::Work() {
  for (;;) {
    std::function<void()> job;
    {
      MutexLock lock(mu_);
      while (jobs_.empty() && !stopping_) work_.Wait(mu_);
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
      ++running_;
    }
    job();
    MutexLock lock(mu_);
    --running_;
    if (running_ == 0 && jobs_.empty()) idle_.NotifyAll();
  }
}

}  // namespace oneagent
