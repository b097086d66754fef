// Runs publish and unpublish calls: at most `workers` at once, one per key
// (volume id) at a time, first come first served; the rest wait within their
// deadline. Nothing is refused that can still be answered in time.
//
// A task that waits for its key does not occupy a worker, so a stuck volume
// cannot starve the others. Thread-safe.
#ifndef CSI_WORK_QUEUE_H_
#define CSI_WORK_QUEUE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"

namespace oneagent {

class WorkQueue {
 public:
  struct Task {
    std::string key;
    absl::Time deadline;
    std::function<void()> run;      // on a worker, at most once
    std::function<void()> expired;  // instead of run, when the deadline passed
                                    // before a worker was free
  };

  explicit WorkQueue(int workers);
  // Runs what has been submitted, then joins the workers.
  ~WorkQueue();

  // Never blocks. After Drain, `expired` is called at once.
  void Submit(Task task);

  // Refuses new tasks and waits until the submitted ones are done.
  void Drain();

  // Tasks running now, and waiting now (for metrics and tests).
  int64_t running() const;
  int64_t waiting() const;

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace oneagent

#endif  // CSI_WORK_QUEUE_H_
