// What becomes known of mounting: in the log, the metrics, /readyz and, for
// doctor, in mounter.json.
#include "csi/mount_status.h"

#include <cstdio>
#include <memory>
#include <string>

#include "base/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class MountStatusTest : public testing::Test {
 protected:
  MountStatusTest() {
    EXPECT_OK(layout_.Prepare(Owner::kMounter));
    absl::StatusOr<std::unique_ptr<MounterMetrics>> metrics =
        MounterMetrics::Create();
    EXPECT_OK(metrics);
    metrics_ = *std::move(metrics);
    status_ = std::make_unique<MountStatus>(
        layout_, "boot-1",
        MountStatus::Parts{
            .log = log_, .metrics = *metrics_, .readiness = readiness_});
  }
  ~MountStatusTest() override { std::fclose(log_file_); }

  MounterState Record() {
    const absl::StatusOr<MounterState> state = ReadMounterRecord(layout_);
    EXPECT_OK(state);
    return state.value_or(MounterState{});
  }
  std::string Log() { return ReadTestFile(dir_.Path("log")); }
  std::string Metrics() { return metrics_->metrics().Render(); }

  TempDir dir_;
  const Layout layout_{dir_.Path("data")};
  const SystemClock clock_;
  FILE* const log_file_ = std::fopen(dir_.Path("log").c_str(), "ae");
  const class Log log_ {
    {.component = "mounter", .fd = fileno(log_file_)}, clock_
  };
  Readiness readiness_{{"overlay"}};
  std::unique_ptr<MounterMetrics> metrics_;
  std::unique_ptr<MountStatus> status_;
};

TEST_F(MountStatusTest, TellsTheWayAndWhatTheOthersAnswered) {
  status_->OnWay({.api = MountApi::kLayerStrings,
                  .works = true,
                  .refused = {{MountApi::kLayerFds,
                               absl::InternalError("lowerdir+: bad")}}});
  EXPECT_EQ(readiness_.Page().status, 200);
  EXPECT_THAT(Log(), AllOf(HasSubstr("mount_api=layer-strings"),
                           HasSubstr("layer-fds: lowerdir+: bad")));
  EXPECT_THAT(Metrics(), AllOf(HasSubstr("mount_api{api=\"layer-strings\"} 1"),
                               HasSubstr("mount_api{api=\"layer-fds\"} 0")));
  EXPECT_EQ(Record(),
            (MounterState{.boot_id = "boot-1",
                          .mount_api = "layer-strings",
                          .works = true,
                          .refused = {{"layer-fds", "lowerdir+: bad"}}}));
}

TEST_F(MountStatusTest, NoWayIsNotReady) {
  status_->OnWay({.api = MountApi::kLegacy,
                  .works = false,
                  .refused = {{MountApi::kLegacy, absl::InternalError("no")}}});
  EXPECT_EQ(readiness_.Page().status, 503);
  EXPECT_THAT(Metrics(), HasSubstr("mount_api{api=\"legacy\"} 0"));
  EXPECT_FALSE(Record().works);
}

TEST_F(MountStatusTest, TellsAWriteErrorOfTheDisk) {
  status_->OnDiskError({.path = "/data/volumes/v/upper",
                        .error = absl::InternalError("Input/output error"),
                        .cleared = true});
  status_->OnDiskError({.path = "/data/volumes/w/upper",
                        .error = absl::InternalError("Input/output error"),
                        .cleared = false});
  EXPECT_THAT(Log(), AllOf(HasSubstr("write error of the data disk"),
                           HasSubstr("volume mounted without volatile")));
  EXPECT_THAT(
      Metrics(),
      AllOf(HasSubstr("disk_errors_total{outcome=\"cleared\"} 1"),
            HasSubstr("disk_errors_total{outcome=\"not_volatile\"} 1")));
  EXPECT_EQ(Record().disk_error, "Input/output error");
  EXPECT_FALSE(Record().disk_error_cleared);
}

TEST_F(MountStatusTest, RecordThatIsLostComesBack) {
  status_->OnWay({.api = MountApi::kLegacy, .works = true, .refused = {}});
  ASSERT_EQ(std::remove(layout_.MounterRecord().c_str()), 0);
  status_->RunOnce();
  EXPECT_EQ(Record().mount_api, "legacy");
}

}  // namespace
}  // namespace oneagent
