#include "cache/provisioner/provisioner_metrics.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

using ::testing::HasSubstr;

class ProvisionerMetricsTest : public testing::Test {
 protected:
  std::string Scrape() { return metrics_->Pages().at("/metrics")().body; }

  TempDir dir_;
  const std::unique_ptr<ProvisionerMetrics> metrics_ =
      *ProvisionerMetrics::Create(dir_.Path("data"));
};

TEST_F(ProvisionerMetricsTest, EachFailedDownloadIsCountedUnderItsCause) {
  const struct {
    absl::Status status;
    const char* cause;
  } kCases[] = {
      {absl::UnavailableError("download agent 1: https://t: no answer"),
       "network"},
      {absl::UnavailableError("download agent 1: HTTP 503"), "server"},
      {absl::DeadlineExceededError("x"), "timeout"},
      {absl::PermissionDeniedError("download agent 1: HTTP 401"),
       "credentials"},
      {absl::NotFoundError("download agent 1: HTTP 404"), "no_version"},
      {absl::ResourceExhaustedError("write x: No space left on device"),
       "disk"},
      {absl::InternalError("open x: Input/output error"), "disk"},
      {absl::ResourceExhaustedError("larger than 8589934592 bytes"),
       "too_large"},
      {absl::CancelledError("x"), "cancelled"},
      {absl::InvalidArgumentError("x"), "other"},
  };
  for (const auto& test : kCases) {
    ProvisionerMetrics& metrics = *metrics_;
    metrics.OnDownloaded({.status = test.status, .duration = absl::Seconds(2)});
    EXPECT_THAT(Scrape(),
                HasSubstr(absl::StrCat("oneagent_csi_downloads_total{cause=\"",
                                       test.cause, "\",result=\"failed\"} ")));
  }
  EXPECT_THAT(Scrape(), HasSubstr("oneagent_csi_download_bytes_total 0\n"));
  EXPECT_THAT(Scrape(),
              HasSubstr("oneagent_csi_download_duration_seconds_count{result="
                        "\"failed\"} 10\n"));
}

TEST_F(ProvisionerMetricsTest, CollectionsInDoubtAreNoRunsOfTheReferences) {
  CollectionResult result;
  result.skipped = "the DynaKubes are not known";
  metrics_->OnCollected(result);
  metrics_->OnCollectionFailed(absl::UnavailableError("x"));
  EXPECT_THAT(Scrape(),
              HasSubstr("collections_total{result=\"in_doubt\"} 1\n"));
  EXPECT_THAT(Scrape(), HasSubstr("collections_total{result=\"failed\"} 1\n"));
  EXPECT_THAT(Scrape(), HasSubstr("dynatrace_csi_driver_gc_runs 0\n"));
  metrics_->OnCollected({.agents = {"a"},
                         .configs = {"c", "d"},
                         .tenants = {"t"},
                         .bytes = 7,
                         .skipped = ""});
  EXPECT_THAT(Scrape(), HasSubstr("dynatrace_csi_driver_gc_runs 1\n"));
  EXPECT_THAT(Scrape(), HasSubstr("dynatrace_csi_driver_gc_folder_rmv 3\n"));
  EXPECT_THAT(Scrape(), HasSubstr("dynatrace_csi_driver_gc_reclaimed 7\n"));
  EXPECT_THAT(Scrape(), HasSubstr("collected_total{kind=\"config\"} 2\n"));
}

TEST_F(ProvisionerMetricsTest, ReconcilesAreCountedByTheirEnd) {
  ReconcileReport report;
  report.row.state = TenantState::kFailed;
  metrics_->OnReconciled(report);
  report.pending = true;
  metrics_->OnReconciled(report);
  report.cancelled = true;
  metrics_->OnReconciled(report);
  report = ReconcileReport();
  report.row.state = TenantState::kReady;
  report.installed = true;
  metrics_->OnReconciled(report);
  for (const char* const result : {"failed", "pending", "cancelled", "ready"}) {
    EXPECT_THAT(Scrape(),
                HasSubstr(absl::StrCat("dynakube_reconciles_total{result=\"",
                                       result, "\"} 1\n")));
  }
  EXPECT_THAT(Scrape(), HasSubstr("agents_installed_total 1\n"));
}

// Before the first start there is no index, and nothing hangs or fails.
TEST_F(ProvisionerMetricsTest, IsScrapedWithoutAnIndex) {
  metrics_->OnTurn(absl::UnavailableError("x"));
  EXPECT_THAT(Scrape(), HasSubstr("oneagent_csi_index_usable 0\n"));
  EXPECT_THAT(Scrape(), HasSubstr("oneagent_csi_dynakubes{state=\"ready\"} 0"));
}

}  // namespace
}  // namespace oneagent
