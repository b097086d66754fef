#include "cache/provisioner/worker_pool.h"

#include <utility>

#include "base/deadline.h"

namespace oneagent {

WorkerPool::WorkerPool(size_t most_threads) : most_threads_(most_threads) {}

WorkerPool::~WorkerPool() {
  Stop();
  std::vector<std::thread> threads;
  {
    MutexLock lock(mu_);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

void WorkerPool::Submit(std::function<void()> job) {
  MutexLock lock(mu_);
  if (stopping_) return;
  jobs_.push_back(std::move(job));
  if (jobs_.size() > idle_threads_ && threads_.size() < most_threads_) {
    threads_.emplace_back([this] { Work(); });
  }
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
      ++idle_threads_;
      while (jobs_.empty() && !stopping_) work_.Wait(mu_);
      --idle_threads_;
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
