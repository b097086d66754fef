// Threads that work off jobs in the order of their coming, made as jobs come
// that find none idle. Most jobs wait for a network, which costs a thread no
// more than its stack. Thread-safe.
#ifndef CACHE_PROVISIONER_WORKER_POOL_H_
#define CACHE_PROVISIONER_WORKER_POOL_H_

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "base/mutex.h"

namespace oneagent {

class WorkerPool {
 public:
  explicit WorkerPool(size_t most_threads);
  // Drops the jobs that have not begun, waits for those that have.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  void Submit(std::function<void()> job);
  // False when there still was work after `timeout`.
  bool WaitUntilIdle(absl::Duration timeout);
  // Drops the jobs that have not begun, and all that come.
  void Stop();

 private:
  void Work();

  Mutex mu_;
  CondVar work_;
  CondVar idle_;
  std::deque<std::function<void()>> jobs_ ABSL_GUARDED_BY(mu_);
  int running_ ABSL_GUARDED_BY(mu_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  const size_t most_threads_;
  size_t idle_threads_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mu_);
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_WORKER_POOL_H_
