// The tables keep the rules of names, and the document is theirs.
#include "tests/metrics_doc/metrics_doc.h"

#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/metrics.h"
#include "cache/index/cause.h"
#include "cache/provisioner/provisioner_metrics.h"
#include "csi/mounter_metrics.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

MetricTable Both() {
  MetricTable table = MounterMetricTable();
  for (const MetricInfo& info : ProvisionerMetricTable()) table.push_back(info);
  return table;
}

TEST(MetricsDocTest, TheDocumentIsWhatTheTablesSay) {
  ASSERT_OK_AND_ASSIGN(
      const std::string written,
      ReadWholeFile(absl::StrCat(ONEAGENT_SOURCE_DIR, "/docs/metrics.md")));
  EXPECT_TRUE(written == MetricsDoc()) << "run ./dev docs, and commit";
}

TEST(MetricsDocTest, EveryCauseIsExplained) {
  for (const std::string& cause : CauseNames()) {
    EXPECT_THAT(MetricsDoc(),
                testing::HasSubstr(absl::StrCat("\n| `", cause, "` | ")));
  }
}

// Prometheus' conventions: a prefix, base units, _total for counters alone.
TEST(MetricsTablesTest, NamesKeepTheConventions) {
  for (const MetricInfo& info : Both()) {
    if (!info.reference.empty()) {
      EXPECT_TRUE(absl::StartsWith(info.name, "dynatrace_csi_driver_"));
      continue;
    }
    EXPECT_TRUE(absl::StartsWith(info.name, "oneagent_csi_") ||
                absl::StartsWith(info.name, "process_"))
        << info.name;
    EXPECT_EQ(absl::EndsWith(info.name, "_total"),
              info.kind == MetricKind::kCounter)
        << info.name;
    if (info.kind == MetricKind::kHistogram) {
      EXPECT_TRUE(absl::EndsWith(info.name, "_seconds")) << info.name;
    }
    for (const char* const unit : {"_ms", "_kb", "_minutes", "_percent"}) {
      EXPECT_FALSE(absl::StrContains(info.name, unit)) << info.name;
    }
  }
}

// What grows with the cluster costs the one who stores it.
TEST(MetricsTablesTest, NoLabelIsUnbounded) {
  const std::set<std::string> forbidden = {"pod",       "namespace", "volume",
                                           "volume_id", "dynakube",  "path",
                                           "target",    "error",     "node"};
  for (const MetricInfo& info : Both()) {
    for (const MetricLabel& label : info.labels) {
      EXPECT_FALSE(forbidden.contains(label.name)) << info.name;
      EXPECT_TRUE(!label.values.empty() || label.name == "version")
          << info.name << " " << label.name;
    }
  }
}

// A metric of one name means one thing.
TEST(MetricsTablesTest, RowsOfBothDaemonsAgree) {
  for (const MetricInfo& ours : MounterMetricTable()) {
    for (const MetricInfo& theirs : ProvisionerMetricTable()) {
      if (ours.name != theirs.name) continue;
      EXPECT_EQ(ours.kind, theirs.kind) << ours.name;
      ASSERT_EQ(ours.labels.size(), theirs.labels.size()) << ours.name;
      for (size_t i = 0; i < ours.labels.size(); ++i) {
        EXPECT_EQ(ours.labels[i].name, theirs.labels[i].name) << ours.name;
      }
    }
  }
}

}  // namespace
}  // namespace oneagent
