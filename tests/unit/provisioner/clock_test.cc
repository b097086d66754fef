// Waits end in time also while somebody sets the clock back. The wall clock of
// this program is put back by a day each time it is read.
#include "absl/time/clock.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

#include "base/mutex.h"
#include "cache/kube/manifest_dir.h"
#include "cache/provisioner/shutdown.h"
#include "cache/provisioner/worker_pool.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

std::atomic<bool> set_back = false;
std::atomic<time_t> days_back = 0;

class ClockTest : public testing::Test {
 protected:
  ClockTest() {
    set_back = true;
    const absl::Time first = absl::Now();
    EXPECT_LT(absl::Now(), first) << "the clock under test is not the one read";
  }
  ~ClockTest() override { set_back = false; }
};

TEST_F(ClockTest, SleepsNoLongerThanItWasAskedTo) {
  Shutdown shutdown;
  shutdown.Sleep(absl::Milliseconds(20));
  EXPECT_FALSE(shutdown.IsRequested());
}

TEST_F(ClockTest, WaitsForWorkersNoLongerThanItWasAskedTo) {
  Mutex mu;
  WorkerPool pool(1);
  mu.Lock();
  pool.Submit([&mu] { MutexLock lock(mu); });
  EXPECT_FALSE(pool.WaitUntilIdle(absl::Milliseconds(20)));
  mu.Unlock();
  EXPECT_TRUE(pool.WaitUntilIdle(absl::InfiniteDuration()));
}

TEST_F(ClockTest, WaitsForManifestsNoLongerThanItWasAskedTo) {
  TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto source, ManifestDir::Open(dir.path()));
  EXPECT_TRUE(source->WaitForChange(absl::Milliseconds(20)));  // it appeared
  EXPECT_FALSE(source->WaitForChange(absl::Milliseconds(20)));
}

}  // namespace
}  // namespace oneagent

// In place of the C library's, for everything in this program.
extern "C" int clock_gettime(clockid_t id, struct timespec* now) noexcept {
  const long result = syscall(SYS_clock_gettime, id, now);
  if (result == 0 && id == CLOCK_REALTIME && oneagent::set_back) {
    now->tv_sec -= 86400 * ++oneagent::days_back;
  }
  return static_cast<int>(result);
}
