#include "csi/queue_guard.h"

#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace oneagent {
namespace {

using ::testing::ElementsAre;

// Holds one key of a queue until it is released. Must outlive the queue.
class Holder {
 public:
  void Hold(WorkQueue& queue, const std::string& key) {
    queue.Submit({.key = key,
                  .deadline = absl::InfiniteFuture(),
                  .run =
                      [this] {
                        MutexLock lock(mu_);
                        held_ = true;
                        cv_.NotifyAll();
                        while (!released_) cv_.Wait(mu_);
                      },
                  .expired = [] { ADD_FAILURE(); }});
    MutexLock lock(mu_);
    while (!held_) cv_.Wait(mu_);
  }
  void Release() {
    MutexLock lock(mu_);
    released_ = true;
    cv_.NotifyAll();
  }

 private:
  Mutex mu_;
  CondVar cv_;
  bool held_ ABSL_GUARDED_BY(mu_) = false;
  bool released_ ABSL_GUARDED_BY(mu_) = false;
};

TEST(QueueGuardTest, RunsTheWorkBeforeItReturns) {
  WorkQueue queue(/*workers=*/1);
  const VolumeGuard guard = GuardByQueue(queue, absl::Minutes(1));
  std::vector<std::string> done;
  EXPECT_TRUE(guard("a", [&] { done.push_back("work"); }));
  EXPECT_THAT(done, ElementsAre("work"));
}

TEST(QueueGuardTest, WaitsForACallOfTheSameVolumeOnly) {
  Holder call;
  WorkQueue queue(/*workers=*/2);
  const VolumeGuard guard = GuardByQueue(queue, absl::Minutes(1));
  call.Hold(queue, "a");
  EXPECT_TRUE(guard("b", [] {}));
  bool is_released = false;
  std::thread releaser([&] {
    is_released = true;
    call.Release();
  });
  EXPECT_TRUE(guard("a", [&] { EXPECT_TRUE(is_released); }));
  releaser.join();
}

TEST(QueueGuardTest, GivesUpWhenTheVolumeStaysBusy) {
  Holder call;
  WorkQueue queue(/*workers=*/2);
  const VolumeGuard guard = GuardByQueue(queue, absl::Milliseconds(5));
  call.Hold(queue, "a");
  EXPECT_FALSE(guard("a", [] { ADD_FAILURE() << "ran"; }));
  call.Release();
}

TEST(QueueGuardTest, DoesNothingOnADrainingQueue) {
  WorkQueue queue(/*workers=*/1);
  const VolumeGuard guard = GuardByQueue(queue, absl::Minutes(1));
  queue.Drain();
  EXPECT_FALSE(guard("a", [] { ADD_FAILURE() << "ran"; }));
}

}  // namespace
}  // namespace oneagent
