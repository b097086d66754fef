#include "csi/queue_guard.h"

#include <optional>

#include "absl/time/clock.h"
#include "base/mutex.h"

namespace oneagent {
namespace {

// What a worker tells the thread that waits.
class Answer {
 public:
  void Give(bool value) {
    MutexLock lock(mu_);
    value_ = value;
    // Under the mutex: the one who waits destroys this when it wakes up.
    cv_.NotifyAll();
  }
  bool Wait() {
    MutexLock lock(mu_);
    while (!value_.has_value()) cv_.Wait(mu_);
    return *value_;
  }

 private:
  Mutex mu_;
  CondVar cv_;
  std::optional<bool> value_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

VolumeGuard GuardByQueue(WorkQueue& queue, absl::Duration patience) {
  return [&queue, patience](const std::string& volume_id,
                            const std::function<void()>& work) {
    Answer answer;
    queue.Submit({.key = volume_id,
                  .deadline = absl::Now() + patience,
                  .run =
                      [&] {
                        work();
                        answer.Give(true);
                      },
                  .expired = [&] { answer.Give(false); }});
    return answer.Wait();
  };
}

}  // namespace oneagent
