#include "cache/kube/discovery.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(DiscoveryTest, ChoosesTheNewestThatBothSidesKnow) {
  EXPECT_THAT(CommonDynaKubeVersions(
                  R"({"kind":"APIGroup","name":"dynatrace.com","versions":[)"
                  R"({"version":"v1beta10"},{"version":"v1beta3"},)"
                  R"({"version":"v1alpha1"},{"version":"v1beta5"}],)"
                  R"("preferredVersion":{"version":"v1beta3"}})"),
              IsOkAndHolds(ElementsAre("v1beta5", "v1beta3")));
}

TEST(DiscoveryTest, SaysWhatIsServedAndWhatIsKnown) {
  EXPECT_THAT(
      CommonDynaKubeVersions(R"({"versions":[{"version":"v2"}]})"),
      StatusIs(absl::StatusCode::kNotFound,
               "dynatrace.com is served as v2; known are v1beta1 to v1beta6"));
}

TEST(DiscoveryTest, TakesNothingElseForAGroup) {
  EXPECT_THAT(
      CommonDynaKubeVersions("<html>"),
      StatusIs(absl::StatusCode::kUnavailable, HasSubstr("not an API group")));
}

}  // namespace
}  // namespace oneagent
