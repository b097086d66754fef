// The thin thread around a RunOnce: calls it now and then, until it is
// destroyed. The destructor waits for a call that is at work.
#ifndef CSI_PERIODIC_TASK_H_
#define CSI_PERIODIC_TASK_H_

#include <functional>
#include <thread>

#include "absl/time/time.h"
#include "base/mutex.h"

namespace oneagent {

class PeriodicTask {
 public:
  // The first call comes after `first`, the others after one interval each.
  PeriodicTask(absl::Duration first, absl::Duration interval,
               std::function<void()> run_once);
  ~PeriodicTask();
  PeriodicTask(const PeriodicTask&) = delete;
  PeriodicTask& operator=(const PeriodicTask&) = delete;

 private:
  void Loop();

  const absl::Duration first_;
  const absl::Duration interval_;
  const std::function<void()> run_once_;

  Mutex mu_;
  CondVar stop_cv_;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace oneagent

#endif  // CSI_PERIODIC_TASK_H_
