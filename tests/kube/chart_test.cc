// A real API server takes what the chart renders (tests/chart/golden): no field
// that it does not know, no value that it refuses, nothing that it warns of.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/kube/kube_fixture.h"

namespace oneagent {
namespace {

using testing::Contains;
using testing::Each;
using testing::HasSubstr;

class ChartTest : public KubeTest,
                  public testing::WithParamInterface<std::string> {};

TEST_P(ChartTest, TheServerTakesEveryObject) {
  const ProgramResult applied = server().Kubectl(
      {"apply", "--dry-run=server", "-f",
       Manifest(absl::StrCat("../chart/golden/", GetParam(), ".yaml"))});
  EXPECT_EQ(applied.exit_code, 0);
  EXPECT_EQ(applied.err, "");
  const std::vector<std::string> lines =
      absl::StrSplit(applied.out, '\n', absl::SkipEmpty());
  EXPECT_THAT(lines, Each(HasSubstr("(server dry run)")));
  EXPECT_THAT(lines, Contains(HasSubstr("daemonset.apps/oneagent-csi ")));
}

// Not those with objects of Prometheus' operator, which this server lacks.
INSTANTIATE_TEST_SUITE_P(Values, ChartTest,
                         testing::Values("default", "everything", "sidecars",
                                         "drain", "no_provisioner",
                                         "beside_operator"),
                         [](const auto& set) { return set.param; });

}  // namespace
}  // namespace oneagent
