// What becomes of a publish that fails: roll back, the record of failures,
// and the moment at which the pod starts without an agent.
#include "csi/fail_open.h"

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "cache/index/records.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/leak_check.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/csi/volume_world.h"

namespace oneagent {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr auto kUnavailable = absl::StatusCode::kUnavailable;
using Verb = FakeMounter::Verb;

TEST(ShouldFailOpenTest, DecidesByTimeAndByAttempts) {
  const absl::Duration now = absl::Hours(100);
  const struct {
    const char* name;
    absl::Duration since_first;
    int32_t attempts;
    FailOpenLimits limits;
    bool want;
  } kCases[] = {
      {"first failure", absl::ZeroDuration(), 1, {absl::Minutes(10)}, false},
      {"0s: at once", absl::ZeroDuration(), 1, {absl::ZeroDuration()}, true},
      {"just before",
       absl::Minutes(10) - absl::Milliseconds(1),
       99,
       {absl::Minutes(10)},
       false},
      {"on the dot", absl::Minutes(10), 2, {absl::Minutes(10)}, true},
      {"long after", absl::Hours(9), 2, {absl::Minutes(10)}, true},
      {"below the node's limit",
       absl::Seconds(1),
       2,
       {absl::Minutes(10), 3, 0},
       false},
      {"node's limit", absl::Seconds(1), 3, {absl::Minutes(10), 3, 0}, true},
      {"dynakube's limit",
       absl::Seconds(1),
       3,
       {absl::Minutes(10), 0, 3},
       true},
      {"the lower limit counts",
       absl::Seconds(1),
       3,
       {absl::Minutes(10), 9, 3},
       true},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(ShouldFailOpen({.first_failure = now - test.since_first,
                              .attempts = test.attempts},
                             test.limits, now),
              test.want)
        << test.name;
  }
}

class FailOpenTest : public testing::Test {
 protected:
  FailOpenTest() {
    world_.InstallAgent(kAgent1, "1.300");
    world_.SetTenant("dk", kAgent1);
  }

  void BreakMounts() {
    world_.fake.FailAlways(Verb::kMountOverlay,
                           absl::InternalError("overlay: bad"));
  }
  absl::StatusOr<PublishOutcome> Publish(const PublishRequest& request) {
    const absl::StatusOr<PublishResult> result =
        world_.publisher->Publish(request);
    if (!result.ok()) return result.status();
    return result->outcome;
  }
  absl::StatusOr<PublishOutcome> Publish(int pod) {
    return Publish(world_.Request(pod));
  }
  std::vector<FakeMounter::Mount> Mounts(int pod) {
    return world_.fake.MountsAt(world_.Target(pod));
  }
  VolumeRow RecordOf(int pod) {
    const absl::StatusOr<VolumeRow> record =
        ReadVolumeRecord(world_.layout, world_.VolumeId(pod));
    EXPECT_OK(record);
    return record.ok() ? *record : VolumeRow{};
  }

  LeakCheck leaks_;
  VolumeWorld world_;
};

TEST_F(FailOpenTest, FailedMountLeavesNothingButItsRecord) {
  BreakMounts();
  const std::string id = world_.VolumeId(1);
  EXPECT_THAT(
      Publish(1),
      StatusIs(kUnavailable, "failed to mount oneagent volume: overlay: bad"));
  const std::optional<VolumeRow> row = world_.Row(id);
  ASSERT_TRUE(row.has_value());
  EXPECT_EQ(row->state, VolumeState::kWaiting);
  EXPECT_EQ(row->attempts, 1);
  EXPECT_EQ(row->first_failure_at, world_.clock.Now());
  EXPECT_THAT(row->reason, HasSubstr("overlay: bad"));
  EXPECT_EQ(world_.LeasesOf(kAgent1), 0);
  EXPECT_THAT(world_.VolumeFiles(id), ElementsAre("volume.json"));
  EXPECT_EQ(RecordOf(1).state, VolumeState::kWaiting);
  EXPECT_EQ(RecordOf(1).attempts, 1);
  EXPECT_FALSE(world_.Exists(world_.Target(1)));
  EXPECT_THAT(Mounts(1), IsEmpty());
}

TEST_F(FailOpenTest, SuccessEndsTheSeriesOfFailures) {
  BreakMounts();
  EXPECT_THAT(Publish(1), StatusIs(kUnavailable));
  world_.fake.Heal();
  world_.clock.Advance(absl::Minutes(11));
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kMounted));
  EXPECT_EQ(world_.Row(world_.VolumeId(1))->attempts, 0);
  EXPECT_EQ(world_.Row(world_.VolumeId(1))->reason, "");
}

TEST_F(FailOpenTest, TriesFirstEvenWhenTheTimeIsOver) {
  BreakMounts();
  EXPECT_THAT(Publish(1), StatusIs(kUnavailable));
  world_.clock.Advance(absl::Hours(1));
  world_.fake.Heal();
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kMounted));
}

TEST_F(FailOpenTest, PodStartsEmptyAfterItsRetryTimeout) {
  BreakMounts();
  const std::string id = world_.VolumeId(1);
  EXPECT_THAT(Publish(1), StatusIs(kUnavailable));
  world_.clock.Advance(absl::Minutes(10) - absl::Seconds(1));
  EXPECT_THAT(Publish(1), StatusIs(kUnavailable));
  world_.clock.Advance(absl::Seconds(1));
  ASSERT_OK_AND_ASSIGN(const PublishResult result,
                       world_.publisher->Publish(world_.Request(1)));
  EXPECT_EQ(result.outcome, PublishOutcome::kEmpty);
  EXPECT_THAT(result.reason, HasSubstr("overlay: bad"));
  ASSERT_THAT(Mounts(1), SizeIs(1));
  EXPECT_EQ(Mounts(1)[0].kind, FakeMounter::Kind::kEmpty);
  EXPECT_THAT(Mounts(1)[0].empty.reason, HasSubstr("overlay: bad"));
  EXPECT_FALSE(Mounts(1)[0].empty.read_only);
  EXPECT_TRUE(Mounts(1)[0].empty.has_preload_stub);
  const std::optional<VolumeRow> row = world_.Row(id);
  EXPECT_EQ(row->state, VolumeState::kEmpty);
  EXPECT_EQ(row->attempts, 3);
  EXPECT_EQ(row->agent_id, "");
  EXPECT_EQ(RecordOf(1).state, VolumeState::kEmpty);
  ASSERT_OK_AND_ASSIGN(const std::vector<NoticeRow> notices,
                       world_.index->ListNotices());
  ASSERT_THAT(notices, SizeIs(1));
  EXPECT_EQ(notices[0].pod, "pod-1");
  EXPECT_THAT(notices[0].reason, HasSubstr("overlay: bad"));
}

TEST_F(FailOpenTest, EmptyVolumeStaysPublishedAndIsUnpublished) {
  BreakMounts();
  PublishRequest request = world_.Request(1);
  request.retry_timeout = absl::ZeroDuration();
  EXPECT_THAT(Publish(request), IsOkAndHolds(PublishOutcome::kEmpty));
  world_.fake.Heal();
  world_.Restart();
  EXPECT_THAT(Publish(request),
              IsOkAndHolds(PublishOutcome::kAlreadyPublished));
  EXPECT_THAT(Mounts(1), SizeIs(1));
  EXPECT_THAT(world_.index->ListNotices(), IsOkAndHolds(SizeIs(1)));
  EXPECT_OK(
      world_.unpublisher->Unpublish(request.volume_id, request.target_path)
          .status);
  EXPECT_THAT(Mounts(1), IsEmpty());
  EXPECT_EQ(world_.StateOf(request.volume_id), "none");
  // Unpublish must not lose what the world has not been told yet.
  EXPECT_THAT(world_.index->ListNotices(), IsOkAndHolds(SizeIs(1)));
}

TEST_F(FailOpenTest, EmptyVolumeMayBeABareDirectory) {
  BreakMounts();
  world_.fake.FailAlways(Verb::kMountEmpty, absl::InternalError("no tmpfs"));
  PublishRequest request = world_.Request(1);
  request.retry_timeout = absl::ZeroDuration();
  EXPECT_THAT(Publish(request), IsOkAndHolds(PublishOutcome::kEmpty));
  EXPECT_THAT(Mounts(1), IsEmpty());
  ASSERT_TRUE(world_.Exists(request.target_path));
  EXPECT_EQ(world_.StateOf(request.volume_id), "empty");
  // Published although nothing is mounted, also after a restart.
  world_.fake.Heal();
  world_.Restart();
  world_.fake.ClearCalls();
  EXPECT_THAT(Publish(request),
              IsOkAndHolds(PublishOutcome::kAlreadyPublished));
  EXPECT_THAT(world_.fake.Calls(), IsEmpty());
  EXPECT_OK(
      world_.unpublisher->Unpublish(request.volume_id, request.target_path)
          .status);
  EXPECT_FALSE(world_.Exists(request.target_path));
}

TEST_F(FailOpenTest, EmptyVolumeThatCannotBeLookedAtStaysEmpty) {
  BreakMounts();
  PublishRequest request = world_.Request(1);
  request.retry_timeout = absl::ZeroDuration();
  EXPECT_THAT(Publish(request), IsOkAndHolds(PublishOutcome::kEmpty));
  world_.fake.FailNext(Verb::kIsMounted, absl::InternalError("no answer"));
  EXPECT_THAT(Publish(request), StatusIs(kUnavailable));
  EXPECT_EQ(world_.StateOf(request.volume_id), "empty");
  EXPECT_THAT(Publish(request),
              IsOkAndHolds(PublishOutcome::kAlreadyPublished));
}

TEST_F(FailOpenTest, AfterARebootAnEmptyVolumeTriesAgainAndWaitsAgain) {
  BreakMounts();
  PublishRequest request = world_.Request(1);
  request.retry_timeout = absl::Minutes(1);
  EXPECT_THAT(Publish(request), StatusIs(kUnavailable));
  world_.clock.Advance(absl::Minutes(1));
  EXPECT_THAT(Publish(request), IsOkAndHolds(PublishOutcome::kEmpty));
  world_.Reboot();
  world_.clock.Advance(absl::Hours(1));
  // The failures of the boot before do not count.
  EXPECT_THAT(Publish(request), StatusIs(kUnavailable));
  world_.fake.Heal();
  EXPECT_THAT(Publish(request), IsOkAndHolds(PublishOutcome::kMounted));
}

TEST_F(FailOpenTest, UnknownDynaKubeAndMissingAgentCountLikeAnyFailure) {
  world_.SetTenant("young", "");
  for (const char* const dynakube : {"unheard-of", "young"}) {
    SCOPED_TRACE(dynakube);
    PublishRequest request = world_.Request(1);
    request.dynakube = dynakube;
    EXPECT_THAT(
        Publish(request),
        StatusIs(kUnavailable,
                 StartsWith(absl::StrCat(
                     "version or digest is not yet set, csi-provisioner "
                     "hasn't finished setup yet for ",
                     dynakube, " DynaKube"))));
    EXPECT_EQ(world_.Row(request.volume_id)->attempts, 1);
    world_.clock.Advance(absl::Minutes(10));
    EXPECT_THAT(Publish(request), IsOkAndHolds(PublishOutcome::kEmpty));
    EXPECT_OK(
        world_.unpublisher->Unpublish(request.volume_id, request.target_path)
            .status);
  }
}

TEST_F(FailOpenTest, DeletedDynaKubeFailsOpen) {
  world_.DeleteTenantAt("dk", world_.clock.Now());
  EXPECT_THAT(Publish(1), StatusIs(kUnavailable));
  world_.clock.Advance(absl::Minutes(10));
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kEmpty));
}

TEST_F(FailOpenTest, AttemptsAreLimitedByFlagOrDynaKube) {
  BreakMounts();
  world_.SetMaxAttempts(3);
  EXPECT_THAT(Publish(1), StatusIs(kUnavailable));
  EXPECT_THAT(Publish(1), StatusIs(kUnavailable));
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kEmpty));
  world_.SetMaxAttempts(0);
  ASSERT_OK_AND_ASSIGN(std::optional<TenantRow> tenant,
                       world_.index->GetTenant("dk"));
  tenant->max_attempts = 2;
  EXPECT_OK(world_.index->PutTenant(*tenant));
  EXPECT_THAT(Publish(2), StatusIs(kUnavailable));
  EXPECT_THAT(Publish(2), IsOkAndHolds(PublishOutcome::kEmpty));
}

TEST_F(FailOpenTest, FailuresAreCountedWithTheIndexUnusable) {
  world_.BreakIndex();
  EXPECT_THAT(Publish(1),
              StatusIs(kUnavailable,
                       StartsWith("failed to extract tenant for DynaKube dk")));
  EXPECT_EQ(RecordOf(1).attempts, 1);
  world_.clock.Advance(absl::Minutes(10));
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kEmpty));
  EXPECT_THAT(Mounts(1), SizeIs(1));
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kAlreadyPublished));
  // As soon as the index can be used, it knows, and the notice is there.
  world_.HealIndex();
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kAlreadyPublished));
  EXPECT_EQ(world_.StateOf(world_.VolumeId(1)), "empty");
  EXPECT_THAT(world_.index->ListNotices(), IsOkAndHolds(SizeIs(1)));
}

TEST_F(FailOpenTest, FailureRecordOutlivesTheMounterAndTheIndex) {
  BreakMounts();
  EXPECT_THAT(Publish(1), StatusIs(kUnavailable));
  world_.DeleteIndex();
  world_.InstallAgent(kAgent1, "1.300");
  world_.SetTenant("dk", kAgent1);
  world_.clock.Advance(absl::Minutes(10));
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kEmpty));
  EXPECT_EQ(world_.Row(world_.VolumeId(1))->attempts, 2);
}

TEST_F(FailOpenTest, FailuresAreCountedInMemoryWhenNothingCanBeWritten) {
  world_.BreakIndex();
  const PublishRequest request = world_.Request(1);
  // A file where the volume's directory should be: no record can be written.
  world_.dir.WriteFile(absl::StrCat("data/volumes/", request.volume_id), "");
  EXPECT_THAT(Publish(request), StatusIs(kUnavailable));
  world_.clock.Advance(absl::Minutes(10));
  EXPECT_THAT(Publish(request), IsOkAndHolds(PublishOutcome::kEmpty));
  EXPECT_THAT(Publish(request),
              IsOkAndHolds(PublishOutcome::kAlreadyPublished));
  EXPECT_THAT(Mounts(1), SizeIs(1));
  EXPECT_OK(
      world_.unpublisher->Unpublish(request.volume_id, request.target_path)
          .status);
  EXPECT_THAT(Mounts(1), IsEmpty());
}

TEST_F(FailOpenTest, WallClockThatIsSetChangesNoPodsPatience) {
  for (const absl::Duration jump : {-absl::Hours(10000), absl::Hours(10000)}) {
    const int pod = jump > absl::ZeroDuration() ? 1 : 2;
    BreakMounts();
    EXPECT_THAT(Publish(pod), StatusIs(kUnavailable));
    world_.clock.Set(world_.clock.Now() + jump);
    EXPECT_THAT(Publish(pod), StatusIs(kUnavailable));
    world_.clock.Advance(absl::Minutes(10) - absl::Milliseconds(1));
    EXPECT_THAT(Publish(pod), StatusIs(kUnavailable));
    world_.clock.Advance(absl::Milliseconds(1));
    EXPECT_THAT(Publish(pod), IsOkAndHolds(PublishOutcome::kEmpty));
  }
}

// As at each retry of a pod whose agent takes the mounter more memory than it
// has.
TEST_F(FailOpenTest, PublishThatKillsTheMounterCounts) {
  for (const bool reconciled : {false, true}) {
    const int pod = reconciled ? 1 : 2;
    for (int death = 1; death <= 2; ++death) {
      world_.Stop();
      const pid_t child = fork();
      if (child == 0) {
        world_.Restart();
        ArmFailpoint("publish:4", [] { _exit(0); });
        Publish(pod).IgnoreError();
        _exit(1);
      }
      int status = 0;
      ASSERT_EQ(waitpid(child, &status, 0), child);
      ASSERT_EQ(status, 0) << "it did not die";
      world_.Restart();
      if (reconciled) world_.Reconcile();
      world_.clock.Advance(absl::Minutes(6));
    }
    ArmFailpoint("publish:4", [] { FAIL() << "tried a third time"; });
    EXPECT_THAT(Publish(pod), IsOkAndHolds(PublishOutcome::kEmpty));
    DisarmFailpoints();
    EXPECT_EQ(world_.Row(world_.VolumeId(pod))->cause, Cause::kInterrupted);
    EXPECT_EQ(world_.LeasesOf(kAgent1), 0);
  }
}

TEST_F(FailOpenTest, FullTargetIsCoveredByTheEmptyVolume) {
  PublishRequest request = world_.Request(1);
  request.retry_timeout = absl::ZeroDuration();
  world_.dir.WriteFile(
      request.target_path.substr(world_.dir.path().size() + 1) + "/old", "");
  EXPECT_THAT(Publish(request), IsOkAndHolds(PublishOutcome::kEmpty));
  ASSERT_THAT(Mounts(1), SizeIs(1));
  EXPECT_EQ(Mounts(1)[0].kind, FakeMounter::Kind::kEmpty);
  EXPECT_TRUE(world_.Exists(request.target_path + "/old"));
  // What somebody else put there is kept, by a mounter that has forgotten it
  // too.
  world_.Restart();
  EXPECT_THAT(
      world_.unpublisher->Unpublish(request.volume_id, request.target_path)
          .status,
      StatusIs(kUnavailable, HasSubstr("not empty, holds \"old\"")));
  EXPECT_TRUE(world_.Exists(request.target_path + "/old"));
  EXPECT_THAT(Mounts(1), IsEmpty());
}

// The index took nothing, and the mounter that knew better is gone.
TEST_F(FailOpenTest, BareDirectoryThatOnlyTheRecordCallsEmptyEnds) {
  BreakMounts();
  EXPECT_THAT(Publish(1), StatusIs(kUnavailable));
  world_.clock.Advance(absl::Minutes(10));
  world_.fake.FailAlways(Verb::kMountEmpty, absl::InternalError("no tmpfs"));
  world_.BreakIndex();
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kEmpty));
  world_.HealIndex();
  world_.Restart();
  ASSERT_EQ(world_.StateOf(world_.VolumeId(1)), "waiting");
  std::filesystem::create_directory(world_.Target(1) + "/written");
  EXPECT_OK(world_.unpublisher->Unpublish(world_.VolumeId(1), world_.Target(1))
                .status);
  EXPECT_FALSE(world_.Exists(world_.Target(1)));
}

TEST_F(FailOpenTest, MountThatCannotBeRolledBackKeepsItsLease) {
  // Attached, then the row is gone: the mount must not stay, but it is busy.
  const std::string id = world_.VolumeId(1);
  ArmFailpoint("publish:7", [&] {
    EXPECT_OK(world_.index->ReleaseLease(id, world_.clock.Now()));
    world_.fake.SetBusy(world_.Target(1), true);
  });
  EXPECT_THAT(Publish(1), StatusIs(kUnavailable, HasSubstr("roll back")));
  DisarmFailpoints();
  EXPECT_THAT(Mounts(1), SizeIs(1));
  EXPECT_THAT(world_.VolumeFiles(id),
              ElementsAre("upper", "volume.json", "work"));
  // It is found by its record and leased again.
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kAlreadyPublished));
  EXPECT_EQ(world_.LeasesOf(kAgent1), 1);
}

TEST_F(FailOpenTest, MountWithoutLeaseIsTakenDownAgain) {
  const std::string id = world_.VolumeId(1);
  ArmFailpoint("publish:7", [&] {
    EXPECT_OK(world_.index->ReleaseLease(id, world_.clock.Now()));
  });
  EXPECT_THAT(Publish(1), StatusIs(kUnavailable));
  DisarmFailpoints();
  EXPECT_THAT(Mounts(1), IsEmpty());
  EXPECT_EQ(world_.StateOf(id), "waiting");
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kMounted));
}

TEST_F(FailOpenTest, HostModeFailsOpenByTheSameRules) {
  world_.fake.FailAlways(Verb::kBindStorage, absl::InternalError("no bind"));
  PublishRequest request = world_.Request(1);
  request.mode = VolumeMode::kHost;
  EXPECT_THAT(Publish(request),
              StatusIs(kUnavailable,
                       AllOf(HasSubstr("osagent"), HasSubstr("no bind"))));
  world_.clock.Advance(absl::Minutes(10));
  EXPECT_THAT(Publish(request), IsOkAndHolds(PublishOutcome::kEmpty));
}

}  // namespace
}  // namespace oneagent
