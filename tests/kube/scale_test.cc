// A namespace with many DynaKubes, and with much that is not the provisioner's
// business.
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/kube/kube_node_fixture.h"
#include "tests/support/process_figures.h"

namespace oneagent {
namespace {

class ScaleTest : public KubeNodeTest {
 protected:
  int CountReady() {
    const std::string tenants = node_.Cli({"-o", "json", "tenants"}).out;
    const std::vector<std::string> parts = absl::StrSplit(tenants, "\"ready\"");
    return static_cast<int>(parts.size()) - 1;
  }
  int64_t PeakKib() {
    return FiguresOf(node_.provisioner().pid()).peak_rss_kib;
  }
};

// Memory is that of the DynaKubes, whatever else the namespace holds.
TEST_F(ScaleTest, FiveHundredDynaKubesAmongTenThousandSecretsOfOthers) {
  constexpr int kMany = 500;
  constexpr int64_t kMostKib = 96 << 10;
  constexpr int64_t kMostGrowthKib = 8 << 10;
  MakeSecret("shared", "apiToken", kTenantApiToken);
  std::string all;
  for (int i = 0; i < kMany; ++i) {
    absl::StrAppend(&all,
                    "apiVersion: dynatrace.com/v1beta6\nkind: DynaKube\n"
                    "metadata: {name: dk-",
                    i, ", namespace: dynatrace}\nspec:\n  apiUrl: ",
                    node_.tenant().api_url(),
                    "\n  tokens: shared\n  oneAgent:\n"
                    "    applicationMonitoring: {version: ",
                    kFirstAgentVersion, "}\n---\n");
  }
  server().MustKubectl({"create", "-f", dir_.WriteFile("all.yaml", all)});
  node_.StartProvisioner();
  ASSERT_TRUE(
      WaitUntil([&] { return CountReady() == kMany; }, absl::Minutes(3)))
      << CountReady();
  EXPECT_EQ(node_.tenant().CountRequests("/version/"), 1);
  const int64_t alone = PeakKib();
  EXPECT_LT(alone, kMostKib);

  server().CreateSecrets(kOwnNamespace, "unrelated", 10'000);
  EXPECT_LT(PeakKib(), alone + kMostGrowthKib);
  node_.StartProvisioner();
  Delete("dk-499");
  EXPECT_TRUE(
      WaitUntil([this] { return IsDeleted("dk-499"); }, absl::Minutes(3)));
  std::cout << "peak memory in KiB: " << alone << ", with Secrets of others "
            << PeakKib() << "\n";
  EXPECT_LT(PeakKib(), alone + kMostGrowthKib);
}

}  // namespace
}  // namespace oneagent
