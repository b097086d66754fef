// Is the mounter seen to be alive while a whole node's pods start at once?
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/e2e/hostile_fixture.h"
#include "tests/support/publish_burst.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

constexpr int kPods = 200;  // ten times --max-in-flight
// The aim is 100 ms, and the bench measures it; here only what a livenessprobe
// would take for dead.
constexpr absl::Duration kMostWait = absl::Seconds(1);

class ProbeLoadTest : public HostileTest {
 protected:
  static void ExpectPrompt(const char* what,
                           const std::vector<absl::Duration>& sorted) {
    ASSERT_FALSE(sorted.empty());
    std::cout << what << " under " << kPods << " publishes: " << sorted.size()
              << " calls, p50 " << sorted[sorted.size() / 2] << ", p99 "
              << sorted[sorted.size() * 99 / 100] << ", max " << sorted.back()
              << "\n";
    EXPECT_LT(sorted.back(), kMostWait) << what;
  }
};

TEST_F(ProbeLoadTest, ProbeIsAnsweredUnderTwoHundredPublishes) {
  const BurstResult result =
      ProbeWhilePublishing(node_.socket(), CallsFor(kPods));
  EXPECT_THAT(result.failures, testing::IsEmpty());
  EXPECT_EQ(node_.MountCount(), kPods);
  ExpectPrompt("Probe", result.probes);
  ExpectPrompt("NodeGetCapabilities", result.capabilities);
  for (int i = 0; i < kPods; ++i) {
    EXPECT_OK(node_.Unpublish(absl::StrCat("p", i)));
  }
}

}  // namespace
}  // namespace oneagent
