#include "base/mutex.h"

#include <thread>

#include "gtest/gtest.h"

namespace oneagent {
namespace {

TEST(CondVarTest, AnEndlessWaitSleepsUntilItIsWoken) {
  Mutex mu;
  CondVar changed;
  bool done = false;
  int looks = 0;
  std::thread waiter([&] {
    MutexLock lock(mu);
    while (!done) {
      ++looks;
      changed.WaitFor(mu, absl::InfiniteDuration());
    }
  });
  // A waiter that spins instead looks far more often than it is woken.
  for (int rounds = 0; rounds < 1000;) {
    MutexLock lock(mu);
    if (looks > 0) ++rounds;
  }
  {
    MutexLock lock(mu);
    done = true;
    changed.NotifyAll();
  }
  waiter.join();
  EXPECT_LE(looks, 3);
}

TEST(CondVarTest, AWaitThatIsOverSaysSo) {
  Mutex mu;
  CondVar changed;
  MutexLock lock(mu);
  EXPECT_FALSE(changed.WaitFor(mu, absl::Microseconds(1)));
}

}  // namespace
}  // namespace oneagent
