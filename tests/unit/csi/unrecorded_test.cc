// What the index would not take: it is known nevertheless, and on record as
// soon as the index can be used.
#include <cstdio>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "cache/index/records.h"
#include "csi/volume_stats.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/leak_check.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/csi/volume_world.h"

namespace oneagent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kUnavailable = absl::StatusCode::kUnavailable;
using Verb = FakeMounter::Verb;

class UnrecordedTest : public testing::Test {
 protected:
  UnrecordedTest() {
    world_.InstallAgent(kAgent1, "1.300");
    world_.SetTenant("dk", kAgent1);
  }
  void TearDown() override { DisarmFailpoints(); }

  void BreakMounts() {
    world_.fake.FailAlways(Verb::kMountOverlay,
                           absl::InternalError("overlay: bad"));
  }
  absl::StatusOr<PublishOutcome> Publish(
      int pod, absl::Duration retry_timeout = absl::Minutes(10)) {
    PublishRequest request = world_.Request(pod);
    request.retry_timeout = retry_timeout;
    const absl::StatusOr<PublishResult> result =
        world_.publisher->Publish(request);
    if (!result.ok()) return result.status();
    return result->outcome;
  }

  LeakCheck leaks_;
  VolumeWorld world_;
  const std::string id_ = world_.VolumeId(1);
};

TEST_F(UnrecordedTest, EmptyVolumeGetsItsRowAndOneNotice) {
  world_.BreakIndex();
  ASSERT_THAT(Publish(1, absl::ZeroDuration()),
              IsOkAndHolds(PublishOutcome::kEmpty));
  EXPECT_THAT(world_.book->ListUnrecorded(), ElementsAre(id_));
  EXPECT_THAT(world_.book->Flush(id_), StatusIs(kUnavailable));
  EXPECT_THAT(world_.book->ListUnrecorded(), ElementsAre(id_));
  world_.HealIndex();
  EXPECT_OK(world_.book->Flush(id_));
  EXPECT_EQ(world_.StateOf(id_), "empty");
  EXPECT_THAT(world_.book->ListUnrecorded(), IsEmpty());
  EXPECT_OK(world_.book->Flush(id_));
  EXPECT_THAT(world_.index->ListNotices(), IsOkAndHolds(SizeIs(1)));
}

TEST_F(UnrecordedTest, FailuresAreCountedOnceEach) {
  world_.BreakIndex();
  const absl::Time first = world_.clock.Now();
  EXPECT_THAT(Publish(1), StatusIs(kUnavailable));
  world_.clock.Advance(absl::Minutes(1));
  EXPECT_THAT(Publish(1), StatusIs(kUnavailable));
  world_.HealIndex();
  EXPECT_OK(world_.book->Flush(id_));
  const std::optional<VolumeRow> row = world_.Row(id_);
  ASSERT_TRUE(row.has_value());
  EXPECT_EQ(row->state, VolumeState::kWaiting);
  EXPECT_EQ(row->attempts, 2);
  EXPECT_EQ(row->first_failure_at, first);
}

TEST_F(UnrecordedTest, UnpublishedVolumeIsNotPutOnRecord) {
  world_.BreakIndex();
  ASSERT_THAT(Publish(1, absl::ZeroDuration()),
              IsOkAndHolds(PublishOutcome::kEmpty));
  EXPECT_OK(world_.unpublisher->Unpublish(id_, world_.Target(1)).status);
  world_.HealIndex();
  EXPECT_OK(world_.book->Flush(id_));
  EXPECT_EQ(world_.StateOf(id_), "none");
}

TEST_F(UnrecordedTest, WaitForATurnCountsFromWhenTheCallCame) {
  BreakMounts();
  world_.book->NoteWaiting(id_, absl::Minutes(9));
  world_.book->NoteWaiting(id_, absl::Minutes(2));
  EXPECT_THAT(Publish(1), StatusIs(kUnavailable));
  EXPECT_EQ(world_.Row(id_)->first_failure_at,
            world_.clock.Now() - absl::Minutes(9));
  world_.clock.Advance(absl::Minutes(1));
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kEmpty));
}

TEST_F(UnrecordedTest, WaitForATurnEndsWithThePublish) {
  world_.book->NoteWaiting(id_, absl::Hours(1));
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kMounted));
  // Asked for twice, the second time without a turn.
  world_.book->NoteWaiting(id_, absl::Hours(1));
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kAlreadyPublished));
  world_.fake.LoseMounts();
  BreakMounts();
  EXPECT_THAT(Publish(1), StatusIs(kUnavailable));
}

TEST_F(UnrecordedTest, StatsKnowWhatTheIndexMissed) {
  const PublishRequest request = world_.Request(1);
  BreakMounts();
  EXPECT_THAT(Publish(1), StatusIs(kUnavailable));
  world_.BreakIndex();
  // A file where the volume's directory should be: no record can be written.
  ASSERT_EQ(std::rename(world_.layout.VolumeDir(id_).c_str(),
                        world_.dir.Path("gone").c_str()),
            0);
  world_.dir.WriteFile(absl::StrCat("data/volumes/", id_), "");
  ASSERT_THAT(Publish(1, absl::ZeroDuration()),
              IsOkAndHolds(PublishOutcome::kEmpty));
  world_.HealIndex();
  VolumeStats stats({}, *world_.context);
  ASSERT_OK_AND_ASSIGN(const VolumeFigures figures,
                       stats.Get(id_, request.target_path));
  EXPECT_TRUE(figures.is_abnormal);
}

TEST_F(UnrecordedTest, StatsOfALaterProcessReadTheRecord) {
  BreakMounts();
  EXPECT_THAT(Publish(1), StatusIs(kUnavailable));
  world_.BreakIndex();
  ASSERT_THAT(Publish(1, absl::ZeroDuration()),
              IsOkAndHolds(PublishOutcome::kEmpty));
  world_.HealIndex();
  world_.Restart();
  ASSERT_EQ(world_.StateOf(id_), "waiting");
  VolumeStats stats({}, *world_.context);
  ASSERT_OK_AND_ASSIGN(const VolumeFigures figures,
                       stats.Get(id_, world_.Target(1)));
  EXPECT_TRUE(figures.is_abnormal);
}

}  // namespace
}  // namespace oneagent
