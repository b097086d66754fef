#include "csi/periodic_task.h"

#include <atomic>

#include "absl/time/time.h"
#include "base/mutex.h"
#include "gtest/gtest.h"

namespace oneagent {
namespace {

TEST(PeriodicTaskTest, CallsAgainAndAgain) {
  Mutex mu;
  CondVar cv;
  int calls = 0;
  PeriodicTask task(absl::Milliseconds(1), absl::Milliseconds(1), [&] {
    MutexLock lock(mu);
    ++calls;
    cv.NotifyAll();
  });
  MutexLock lock(mu);
  while (calls < 3) cv.Wait(mu);
  EXPECT_GE(calls, 3);
}

TEST(PeriodicTaskTest, EndsAtOnceWhileItWaits) {
  std::atomic<int> calls{0};
  {
    PeriodicTask task(absl::Hours(10), absl::Hours(10), [&] { ++calls; });
  }
  EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace oneagent
