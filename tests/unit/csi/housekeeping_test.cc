#include "csi/housekeeping.h"

#include <cstdio>
#include <string>

#include "base/log.h"
#include "csi/health.h"
#include "csi/volume_collector.h"
#include "csi/volume_reconciler.h"
#include "csi/volume_stats.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/text.h"
#include "tests/unit/csi/volume_world.h"

namespace oneagent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class HousekeepingTest : public testing::Test {
 protected:
  HousekeepingTest()
      : log_file_(fopen(world_.dir.Path("log").c_str(), "ae")),
        log_({.component = "mounter", .fd = fileno(log_file_)}, world_.clock),
        stats_({}, *world_.context),
        reconciler_(*world_.context, /*on_change=*/{}),
        collector_({}, *world_.context),
        chores_({.book = *world_.book,
                 .reconciler = reconciler_,
                 .collector = collector_,
                 .stats = stats_,
                 .guard = RunUnguarded,
                 .log = log_,
                 .clock = world_.clock,
                 .observers = {&health_}}) {}

  void TearDown() override { fclose(log_file_); }
  std::string Log() { return ReadTestFile(world_.dir.Path("log")); }

  VolumeWorld world_;
  FILE* const log_file_;
  const class Log log_;
  VolumeStats stats_;
  VolumeReconciler reconciler_;
  VolumeCollector collector_;
  MounterHealth health_{"/no/csi.sock", absl::Seconds(1)};
  Housekeeping chores_;
};

TEST_F(HousekeepingTest, ReconcilesOnceAndSaysSo) {
  chores_.ReconcileOnce();
  chores_.ReconcileOnce();
  EXPECT_EQ(Count(Log(), "volumes reconciled mounted=0"), 1);
  EXPECT_THAT(world_.index->ReconciledBootId(), IsOkAndHolds(world_.boot_id));
}

TEST_F(HousekeepingTest, FailureIsSaidOnceAndItsEndToo) {
  world_.mounts = absl::UnavailableError("no mount table");
  for (int i = 0; i < 3; ++i) chores_.ReconcileOnce();
  EXPECT_EQ(Count(Log(), "reconcile failed"), 1);
  EXPECT_THAT(Log(), HasSubstr("no mount table"));
  EXPECT_THAT(Log(), Not(HasSubstr("volumes reconciled")));

  world_.mounts = std::vector<MountEntry>{};
  for (int i = 0; i < 3; ++i) chores_.ReconcileOnce();
  EXPECT_EQ(Count(Log(), "reconcile works again"), 1);
  EXPECT_EQ(Count(Log(), "volumes reconciled"), 1);
}

TEST_F(HousekeepingTest, IndexThatWasUnusableIsToldWhatItMissed) {
  PublishRequest request = world_.Request(1);
  request.retry_timeout = absl::ZeroDuration();
  world_.BreakIndex();
  ASSERT_OK(world_.publisher->Publish(request));
  for (int i = 0; i < 3; ++i) chores_.FlushOnce();
  EXPECT_EQ(Count(Log(), "recording volumes in the index failed"), 1);
  world_.HealIndex();
  for (int i = 0; i < 3; ++i) chores_.FlushOnce();
  EXPECT_EQ(Count(Log(), "recording volumes in the index works again"), 1);
  EXPECT_EQ(Count(Log(), "volume recorded late volume=" + request.volume_id),
            1);
  EXPECT_EQ(world_.StateOf(request.volume_id), "empty");
  EXPECT_THAT(world_.index->ListNotices(), IsOkAndHolds(SizeIs(1)));
}

TEST_F(HousekeepingTest, CollectsVolumesWhosePodIsGoneAndIsQuietOtherwise) {
  world_.InstallAgent(kAgent1, "1.2.3");
  world_.SetTenant("dk", kAgent1);
  ASSERT_OK(world_.publisher->Publish(world_.Request(1)));
  chores_.ReconcileOnce();
  chores_.CollectOnce();
  EXPECT_THAT(Log(), Not(HasSubstr("volumes collected")));

  world_.fake.LoseMounts();
  world_.RemovePodDirectory(1);
  chores_.CollectOnce();
  EXPECT_THAT(Log(), HasSubstr("volumes collected volumes=1"));
  EXPECT_EQ(world_.StateOf(world_.VolumeId(1)), "none");
}

}  // namespace
}  // namespace oneagent
