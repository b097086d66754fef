#include <sys/file.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "csi/publisher.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/leak_check.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/csi/volume_world.h"

namespace oneagent {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr auto kUnavailable = absl::StatusCode::kUnavailable;

class UnpublisherTest : public testing::Test {
 protected:
  UnpublisherTest() {
    world_.InstallAgent(kAgent1, "1.300");
    world_.SetTenant("dk", kAgent1);
  }
  absl::Status Unpublish(int pod) {
    return world_.unpublisher
        ->Unpublish(world_.VolumeId(pod), world_.Target(pod))
        .status;
  }
  void Publish(int pod) {
    EXPECT_OK(world_.publisher->Publish(world_.Request(pod)));
  }
  std::string Relative(const std::string& path) {
    return path.substr(world_.dir.path().size() + 1);
  }

  LeakCheck leaks_;
  VolumeWorld world_;
};

TEST_F(UnpublisherTest, LeavesNothingBehind) {
  Publish(1);
  EXPECT_OK(Unpublish(1));
  EXPECT_THAT(world_.fake.MountedPaths(), IsEmpty());
  EXPECT_FALSE(world_.Exists(world_.Target(1)));
  EXPECT_EQ(world_.StateOf(world_.VolumeId(1)), "none");
  EXPECT_EQ(world_.LeasesOf(kAgent1), 0);
  EXPECT_FALSE(world_.Exists(world_.layout.VolumeDir(world_.VolumeId(1))));
  // Its layers may still be shown in a container's own namespace.
  EXPECT_THAT(world_.Trash(), Contains(StartsWith(world_.VolumeId(1))));
}

TEST_F(UnpublisherTest, SaysWhatWasOnRecordAlsoWhenItFails) {
  Publish(1);
  world_.fake.FailNext(FakeMounter::Verb::kUnmount,
                       absl::UnavailableError("busy"));
  for (const auto want : {kUnavailable, absl::StatusCode::kOk}) {
    const UnpublishResult result =
        world_.unpublisher->Unpublish(world_.VolumeId(1), world_.Target(1));
    EXPECT_THAT(result.status, StatusIs(want));
    ASSERT_TRUE(result.known.has_value());
    EXPECT_EQ(result.known->pod, world_.Request(1).pod);
    EXPECT_EQ(result.known->dynakube, "dk");
  }
  EXPECT_EQ(
      world_.unpublisher->Unpublish(world_.VolumeId(1), world_.Target(1)).known,
      std::nullopt);
}

TEST_F(UnpublisherTest, TwiceIsFine) {
  Publish(1);
  EXPECT_OK(Unpublish(1));
  EXPECT_OK(Unpublish(1));
  world_.RemovePodDirectory(1);
  EXPECT_OK(Unpublish(1));
}

TEST_F(UnpublisherTest, UnknownVolumeIsFine) {
  EXPECT_OK(Unpublish(1));  // not even the parent is there
  world_.Request(1);
  EXPECT_OK(Unpublish(1));  // the parent is
  world_.dir.MakeDir(Relative(world_.Target(1)));
  EXPECT_OK(Unpublish(1));  // an empty directory
  EXPECT_FALSE(world_.Exists(world_.Target(1)));
}

TEST_F(UnpublisherTest, IdThatIsNoDirectoryNameIsUnknown) {
  world_.dir.WriteFile("data/precious", "");
  world_.Request(1);
  EXPECT_OK(
      world_.unpublisher->Unpublish("../precious", world_.Target(1)).status);
  EXPECT_TRUE(world_.Exists(world_.dir.Path("data/precious")));
}

TEST_F(UnpublisherTest, BusyVolumeLosesNothing) {
  Publish(1);
  world_.fake.SetBusy(world_.Target(1), true);
  EXPECT_THAT(Unpublish(1), StatusIs(kUnavailable));
  EXPECT_EQ(world_.StateOf(world_.VolumeId(1)), "mounted");
  EXPECT_EQ(world_.LeasesOf(kAgent1), 1);
  EXPECT_TRUE(world_.Exists(world_.layout.VolumeUpper(world_.VolumeId(1))));
  EXPECT_TRUE(world_.Exists(world_.Target(1)));
  world_.fake.SetBusy(world_.Target(1), false);
  EXPECT_OK(Unpublish(1));
  EXPECT_EQ(world_.StateOf(world_.VolumeId(1)), "none");
}

TEST_F(UnpublisherTest, PeelsWhatIsStackedOnTheTarget) {
  Publish(1);
  world_.fake.AddForeignMount(world_.Target(1));
  world_.fake.AddForeignMount(world_.Target(1));
  EXPECT_OK(Unpublish(1));
  EXPECT_THAT(world_.fake.MountedPaths(), IsEmpty());
}

TEST_F(UnpublisherTest, AnotherDriversLeftoverIsTakenDown) {
  world_.Request(1);
  world_.dir.MakeDir(Relative(world_.Target(1)));
  world_.fake.AddForeignMount(world_.Target(1));
  EXPECT_OK(Unpublish(1));
  EXPECT_THAT(world_.fake.MountedPaths(), IsEmpty());
  EXPECT_FALSE(world_.Exists(world_.Target(1)));
}

TEST_F(UnpublisherTest, AfterARebootNothingIsMountedAndThatIsFine) {
  Publish(1);
  world_.Reboot();
  EXPECT_OK(Unpublish(1));
  EXPECT_EQ(world_.StateOf(world_.VolumeId(1)), "none");
}

TEST_F(UnpublisherTest, TargetThatIsNotEmptyIsNeverEmptied) {
  Publish(1);
  // Below the mount: what somebody wrote before it was there.
  world_.dir.WriteFile(Relative(world_.Target(1)) + "/theirs", "");
  EXPECT_THAT(Unpublish(1), StatusIs(kUnavailable, HasSubstr("theirs")));
  EXPECT_TRUE(world_.Exists(world_.Target(1) + "/theirs"));
  // Whatever it costs to say so again: the lease goes with the target only.
  EXPECT_EQ(world_.StateOf(world_.VolumeId(1)), "mounted");
  std::filesystem::remove(world_.Target(1) + "/theirs");
  EXPECT_OK(Unpublish(1));
}

TEST_F(UnpublisherTest, WhatAPodWroteIntoABareDirectoryGoesWithIt) {
  world_.fake.FailAlways(FakeMounter::Verb::kMountEmpty,
                         absl::InternalError("no tmpfs"));
  PublishRequest request = world_.Request(1);
  request.dynakube = "unheard-of";
  request.retry_timeout = absl::ZeroDuration();
  EXPECT_OK(world_.publisher->Publish(request));
  const std::string precious = world_.dir.WriteFile("precious/file", "");
  world_.dir.WriteFile(Relative(world_.Target(1)) + "/log/a/b/c.log", "");
  std::filesystem::create_directory_symlink(world_.dir.Path("precious"),
                                            world_.Target(1) + "/link");
  // Where the index did not take it, the record says so.
  VolumeRow row = *world_.Row(request.volume_id);
  row.state = VolumeState::kWaiting;
  EXPECT_OK(world_.index->PutVolume(row));
  EXPECT_OK(Unpublish(1));
  EXPECT_FALSE(world_.Exists(world_.Target(1)));
  EXPECT_TRUE(world_.Exists(precious));
}

TEST_F(UnpublisherTest, AnotherTargetThanTheEmptyOneIsNeverEmptied) {
  PublishRequest request = world_.Request(1);
  request.dynakube = "unheard-of";
  request.retry_timeout = absl::ZeroDuration();
  EXPECT_OK(world_.publisher->Publish(request));
  world_.Request(2);
  world_.dir.WriteFile(Relative(world_.Target(2)) + "/theirs", "");
  EXPECT_THAT(
      world_.unpublisher->Unpublish(world_.VolumeId(1), world_.Target(2))
          .status,
      StatusIs(kUnavailable, HasSubstr("theirs")));
  EXPECT_TRUE(world_.Exists(world_.Target(2) + "/theirs"));
}

TEST_F(UnpublisherTest, TargetThatIsALinkIsNotFollowed) {
  world_.Request(1);
  const std::string precious = world_.dir.MakeDir("precious");
  std::filesystem::create_directory_symlink(precious, world_.Target(1));
  EXPECT_THAT(Unpublish(1), StatusIs(kUnavailable));
  EXPECT_TRUE(world_.Exists(precious));
}

TEST_F(UnpublisherTest, TargetOutsideKubeletsDirectoryIsNotTouched) {
  const std::string outside = world_.dir.MakeDir("outside");
  world_.fake.AddForeignMount(outside);
  EXPECT_THAT(world_.unpublisher->Unpublish("some-volume", outside).status,
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(world_.fake.MountsAt(outside), SizeIs(1));
  EXPECT_TRUE(world_.Exists(outside));
  EXPECT_OK(world_.unpublisher
                ->Unpublish("some-volume", world_.dir.Path("outside/gone"))
                .status);
  EXPECT_THAT(
      world_.unpublisher->Unpublish("some-volume", std::string("/x\0y", 4))
          .status,
      StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(UnpublisherTest, RecordedTargetIsTakenDownAsWell) {
  Publish(1);
  world_.Request(2);
  EXPECT_OK(world_.unpublisher->Unpublish(world_.VolumeId(1), world_.Target(2))
                .status);
  EXPECT_THAT(world_.fake.MountedPaths(), IsEmpty());
  EXPECT_FALSE(world_.Exists(world_.Target(1)));
  EXPECT_EQ(world_.LeasesOf(kAgent1), 0);
}

TEST_F(UnpublisherTest, WorksWithTheIndexUnusable) {
  Publish(1);
  world_.BreakIndex();
  EXPECT_OK(Unpublish(1));
  EXPECT_THAT(world_.fake.MountedPaths(), IsEmpty());
  EXPECT_FALSE(world_.Exists(world_.layout.VolumeDir(world_.VolumeId(1))));
  world_.HealIndex();
  // The row that stayed is found out by the next reconcile.
  EXPECT_EQ(world_.LeasesOf(kAgent1), 1);
  world_.Reconcile();
  EXPECT_EQ(world_.LeasesOf(kAgent1), 0);
}

TEST_F(UnpublisherTest, EndsTheSeriesOfFailures) {
  world_.SetTenant("young", "");
  PublishRequest request = world_.Request(1);
  request.dynakube = "young";
  EXPECT_THAT(world_.publisher->Publish(request), StatusIs(kUnavailable));
  EXPECT_OK(Unpublish(1));
  EXPECT_EQ(world_.StateOf(request.volume_id), "none");
  world_.clock.Advance(absl::Minutes(10));
  EXPECT_THAT(world_.publisher->Publish(request), StatusIs(kUnavailable));
  EXPECT_EQ(world_.Row(request.volume_id)->attempts, 1);
}

TEST_F(UnpublisherTest, WhatAPodPlantsInItsLayerLeadsNobodyAstray) {
  Publish(1);
  const std::string upper = world_.layout.VolumeUpper(world_.VolumeId(1));
  const std::string precious = world_.dir.WriteFile("precious/file", "");
  world_.dir.WriteFile(Relative(upper) + "/pod-info", precious);
  world_.dir.WriteFile(Relative(upper) + "/volume.json", "{\"target\":\"/\"}");
  std::filesystem::create_directory_symlink(world_.dir.Path("precious"),
                                            upper + "/link");
  EXPECT_OK(Unpublish(1));
  world_.Reconcile();
  world_.AgeTrash();
  world_.Collect();
  EXPECT_THAT(world_.Trash(), IsEmpty());
  EXPECT_TRUE(world_.Exists(precious));
}

}  // namespace
}  // namespace oneagent
