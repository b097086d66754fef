// A node's pods start all at once while the mounter has hardly any CPU: it is
// slow then, but a queue is no reason to start a pod without its agent.
#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/e2e/hostile_fixture.h"
#include "tests/support/cgroup.h"
#include "tests/support/publish_burst.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

constexpr int kPods = 200;  // ten times --max-in-flight
// 50m, as the kernel is told.
constexpr char kQuota[] = "5000";
constexpr char kPeriod[] = "100000";

void Limit(const Cgroup& cgroup) {
  if (cgroup.is_v1()) {
    cgroup.Write("cpu.cfs_period_us", kPeriod);
    cgroup.Write("cpu.cfs_quota_us", kQuota);
    EXPECT_EQ(cgroup.Read("cpu.cfs_quota_us"), absl::StrCat(kQuota, "\n"));
  } else {
    cgroup.Write("cpu.max", absl::StrCat(kQuota, " ", kPeriod));
    EXPECT_EQ(cgroup.Read("cpu.max"), absl::StrCat(kQuota, " ", kPeriod, "\n"));
  }
}
void Release(const Cgroup& cgroup) {
  cgroup.Write(cgroup.is_v1() ? "cpu.cfs_quota_us" : "cpu.max",
               cgroup.is_v1() ? "-1" : "max");
}

using StarvedCpuTest = HostileTest;

TEST_F(StarvedCpuTest, EveryPodOfABurstGetsItsAgent) {
  const Cgroup cgroup("cpu");
  node_.StartMounter({}, [&] { cgroup.Enter(); });
  const std::vector<CsiPublishCall> calls = CallsFor(kPods);
  Limit(cgroup);
  const absl::Time begin = absl::Now();
  const BurstResult result = ProbeWhilePublishing(node_.socket(), calls);
  std::cout << kPods << " publishes took " << absl::Now() - begin << "\n"
            << cgroup.Read("cpu.stat");
  Release(cgroup);
  EXPECT_THAT(result.failures, testing::IsEmpty());
  EXPECT_EQ(node_.MountCount(), kPods);
  for (int i = 0; i < kPods; ++i) {
    EXPECT_OK(node_.Unpublish(absl::StrCat("p", i)));
  }
  EXPECT_TRUE(cgroup.Has(node_.mounter().pid()));
  EXPECT_EQ(node_.mounter().Terminate(), 0);
}

}  // namespace
}  // namespace oneagent
