#include "csi/volume_stats.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/csi/volume_world.h"

namespace oneagent {
namespace {

using ::testing::HasSubstr;

class VolumeStatsTest : public testing::Test {
 protected:
  VolumeStatsTest()
      : stats_({.max_entries = 50, .max_entries_inline = 5}, *world_.context) {}

  void SetUp() override {
    world_.InstallAgent(kAgent1, "1.2.3");
    world_.SetTenant("dk", kAgent1);
    ASSERT_OK(world_.publisher->Publish(world_.Request(1)));
  }

  // So many files in what pod 1 writes to.
  void Write(int files) {
    for (int i = 0; i < files; ++i) {
      world_.dir.WriteFile(
          absl::StrCat("data/volumes/", id_, "/upper/", written_++), "x");
    }
  }
  int64_t UsedInodes() {
    const auto figures = stats_.Get(id_, world_.Target(1));
    EXPECT_OK(figures);
    return figures.ok() ? figures->inodes.used : -1;
  }

  VolumeWorld world_;
  VolumeStats stats_;
  const std::string id_ = world_.VolumeId(1);
  int written_ = 0;
};

TEST_F(VolumeStatsTest, FirstCallCountsByItself) {
  Write(3);
  EXPECT_EQ(UsedInodes(), 3);
}

TEST_F(VolumeStatsTest, LaterCallsAnswerFromTheLastCount) {
  Write(2);
  EXPECT_EQ(UsedInodes(), 2);
  Write(1);
  EXPECT_EQ(UsedInodes(), 2);
  // Not older than a minute yet.
  world_.clock.Advance(absl::Seconds(59));
  stats_.RunOnce();
  EXPECT_EQ(UsedInodes(), 2);
  world_.clock.Advance(absl::Seconds(1));
  stats_.RunOnce();
  EXPECT_EQ(UsedInodes(), 3);
}

TEST_F(VolumeStatsTest, FirstCountIsBoundedAndCompletedInTheBackground) {
  Write(20);
  ASSERT_OK_AND_ASSIGN(const VolumeFigures first,
                       stats_.Get(id_, world_.Target(1)));
  EXPECT_EQ(first.inodes.used, 5);
  EXPECT_THAT(first.condition, HasSubstr("used is a minimum"));
  stats_.RunOnce();
  ASSERT_OK_AND_ASSIGN(const VolumeFigures second,
                       stats_.Get(id_, world_.Target(1)));
  EXPECT_EQ(second.inodes.used, 20);
  EXPECT_EQ(second.condition, "agent volume is mounted");
  EXPECT_FALSE(second.is_abnormal);
}

TEST_F(VolumeStatsTest, BackgroundCountIsBoundedToo) {
  Write(70);
  UsedInodes();
  stats_.RunOnce();
  EXPECT_EQ(UsedInodes(), 50);
}

TEST_F(VolumeStatsTest, VolumeThatNobodyAsksForIsForgotten) {
  Write(2);
  EXPECT_EQ(UsedInodes(), 2);
  Write(1);
  world_.clock.Advance(absl::Minutes(10));
  stats_.RunOnce();
  // Counted by the call again, so it sees what is new.
  EXPECT_EQ(UsedInodes(), 3);
}

TEST_F(VolumeStatsTest, UnpublishedVolumeIsNotFound) {
  UsedInodes();
  ASSERT_OK(world_.unpublisher->Unpublish(id_, world_.Target(1)).status);
  EXPECT_THAT(stats_.Get(id_, world_.Target(1)),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("unknown")));
  world_.clock.Advance(absl::Minutes(1));
  stats_.RunOnce();
}

TEST_F(VolumeStatsTest, VolumeThatFailedSoFarIsNotFound) {
  PublishRequest request = world_.Request(2);
  request.dynakube = "nobody";
  ASSERT_FALSE(world_.publisher->Publish(request).ok());
  EXPECT_THAT(
      stats_.Get(request.volume_id, request.target_path),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("not published at")));
}

TEST_F(VolumeStatsTest, LostMountIsAbnormal) {
  world_.fake.LoseMounts();
  ASSERT_OK_AND_ASSIGN(const VolumeFigures figures,
                       stats_.Get(id_, world_.Target(1)));
  EXPECT_TRUE(figures.is_abnormal);
  EXPECT_THAT(figures.condition, HasSubstr("nothing is mounted at"));
}

TEST_F(VolumeStatsTest, ReadOnlyVolumeUsesNothing) {
  PublishRequest request = world_.Request(2);
  request.read_only = true;
  ASSERT_OK(world_.publisher->Publish(request));
  ASSERT_OK_AND_ASSIGN(const VolumeFigures figures,
                       stats_.Get(request.volume_id, request.target_path));
  EXPECT_EQ(figures.inodes.used, 0);
  EXPECT_GT(figures.bytes.total, 0);
}

TEST_F(VolumeStatsTest, AnswersFromTheRecordWhileTheIndexIsUnusable) {
  Write(2);
  world_.BreakIndex();
  EXPECT_EQ(UsedInodes(), 2);
  world_.fake.LoseMounts();
  EXPECT_THAT(stats_.Get(id_, world_.Target(1)),
              StatusIs(absl::StatusCode::kNotFound));
  world_.HealIndex();
}

}  // namespace
}  // namespace oneagent
