// What the mount table, the records and the rows say when they contradict each
// other, and who is believed: first the kernel, then the record, then the row.
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "cache/index/records.h"
#include "csi/volume_reconciler.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/leak_check.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/csi/volume_world.h"

namespace oneagent {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kUnavailable = absl::StatusCode::kUnavailable;

class VolumeTruthTest : public testing::Test {
 protected:
  VolumeTruthTest() { Provision(); }

  void Provision() {
    world_.InstallAgent(kAgent1, "1.300");
    world_.SetTenant("dk", kAgent1);
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
  void PublishEmpty(int pod) {
    PublishRequest request = world_.Request(pod);
    request.retry_timeout = absl::ZeroDuration();
    request.dynakube = "unheard-of";
    EXPECT_THAT(Publish(request), IsOkAndHolds(PublishOutcome::kEmpty));
  }
  MountEntry OverlayLine(int pod) {
    const std::string id = world_.VolumeId(pod);
    return {.id = 1,
            .parent_id = 0,
            .root = "/",
            .mount_point = world_.Target(pod),
            .options = "rw",
            .fs_type = "overlay",
            .source = kMountSource,
            .super_options = absl::StrCat(
                "rw,lowerdir+=", world_.layout.AgentTree(kAgent1),
                ",upperdir=", world_.layout.VolumeUpper(id),
                ",workdir=", world_.layout.VolumeWork(id), ",volatile")};
  }
  MountEntry EmptyLine(int pod) {
    MountEntry line = OverlayLine(pod);
    line.fs_type = "tmpfs";
    line.super_options = "ro,size=4k";
    return line;
  }
  void DamageRecord(int pod) {
    world_.dir.WriteFile(
        absl::StrCat("data/volumes/", world_.VolumeId(pod), "/volume.json"),
        "{\"id\":");
  }
  // Reading it fails, and not because it is damaged.
  void MakeRecordUnreadable(int pod) {
    const std::string path = world_.layout.VolumeRecord(world_.VolumeId(pod));
    std::filesystem::remove(path);
    std::filesystem::create_directory(path);
  }
  // The row that stays when the index takes nothing: leased, `state`.
  void PutLeasedRow(int pod, VolumeState state) {
    VolumeRow row = *world_.Row(world_.VolumeId(pod));
    row.state = state;
    row.agent_id = kAgent1;
    EXPECT_OK(world_.index->PutVolume(row));
    DeleteNotices();
  }
  void DeleteNotices() {
    ASSERT_OK_AND_ASSIGN(const std::vector<NoticeRow> notices,
                         world_.index->ListNotices());
    if (!notices.empty()) {
      EXPECT_OK(world_.index->DeleteNotices(notices.back().seq));
    }
  }
  void ExpectEmptyWithNotice(int pod) {
    EXPECT_EQ(world_.StateOf(world_.VolumeId(pod)), "empty");
    EXPECT_EQ(world_.LeasesOf(kAgent1), 0);
    EXPECT_THAT(world_.index->ListNotices(), IsOkAndHolds(SizeIs(1)));
  }
  LeakCheck leaks_;
  VolumeWorld world_;
};

TEST_F(VolumeTruthTest, IndexThatIsLockedStopsTheReconcileAtOnce) {
  for (const int pod : {1, 2, 3}) EXPECT_OK(Publish(pod));
  int volumes = 0;
  VolumeReconciler reconciler(
      *world_.context, /*on_change=*/nullptr,
      [&](const std::string&, const std::function<void()>& work) {
        if (++volumes == 1) world_.BreakIndex();
        work();
        return true;
      });
  EXPECT_THAT(reconciler.RunOnce(), StatusIs(kUnavailable));
  EXPECT_EQ(volumes, 1);
  world_.HealIndex();
  EXPECT_EQ(world_.Reconcile(), (ReconcileResult{.mounted = 3}));
}

TEST_F(VolumeTruthTest, VolumeThatIsBusyDoesNotStopTheReconcile) {
  for (const int pod : {1, 2, 3}) EXPECT_OK(Publish(pod));
  int volumes = 0;
  VolumeReconciler reconciler(
      *world_.context, /*on_change=*/nullptr,
      [&](const std::string&, const std::function<void()>&) {
        ++volumes;
        return false;
      });
  EXPECT_THAT(reconciler.RunOnce(), StatusIs(kUnavailable));
  EXPECT_EQ(volumes, 3);
}

TEST_F(VolumeTruthTest, ReconcileIsNeededOnceMoreWhenRequested) {
  VolumeReconciler reconciler(*world_.context, /*on_change=*/nullptr);
  EXPECT_OK(reconciler.RunOnce());
  EXPECT_THAT(reconciler.IsNeeded(), IsOkAndHolds(false));
  reconciler.Request();
  EXPECT_THAT(reconciler.IsNeeded(), IsOkAndHolds(true));
  world_.mounts = absl::UnavailableError("mountinfo: no");
  EXPECT_THAT(reconciler.RunOnce(), StatusIs(kUnavailable));
  EXPECT_THAT(reconciler.IsNeeded(), IsOkAndHolds(true));
  world_.mounts = std::vector<MountEntry>{};
  EXPECT_OK(reconciler.RunOnce());
  EXPECT_THAT(reconciler.IsNeeded(), IsOkAndHolds(false));
}

TEST_F(VolumeTruthTest, MountThatTheIndexDidNotTakeAsksForAReconcile) {
  EXPECT_OK(Publish(1));
  EXPECT_EQ(world_.reconcile_requests, 0);
  ArmFailpoint("publish:7", [this] { world_.BreakIndex(); });
  EXPECT_OK(Publish(2));
  DisarmFailpoints();
  EXPECT_EQ(world_.reconcile_requests, 1);
}

TEST_F(VolumeTruthTest, PublishAheadOfTheReconcileFindsALiveMount) {
  for (const bool damaged : {true, false}) {
    SCOPED_TRACE(damaged ? "damaged" : "unreadable");
    const int pod = damaged ? 1 : 2;
    EXPECT_OK(Publish(pod));
    damaged ? DamageRecord(pod) : MakeRecordUnreadable(pod);
    world_.DeleteIndex();
    Provision();
    const std::string id = world_.VolumeId(pod);
    // A mount table that cannot be read leaves it in doubt.
    world_.mounts = absl::UnavailableError("mountinfo: no");
    EXPECT_THAT(Publish(pod), StatusIs(kUnavailable));
    EXPECT_TRUE(world_.Exists(world_.layout.VolumeUpper(id)));
    EXPECT_TRUE(world_.Exists(world_.layout.VolumeWork(id)));
    EXPECT_THAT(world_.Trash(), IsEmpty());
    world_.mounts.reset();
    EXPECT_THAT(Publish(pod), IsOkAndHolds(PublishOutcome::kAlreadyPublished));
    EXPECT_EQ(world_.StateOf(id), "mounted");
    EXPECT_EQ(world_.Row(id)->agent_id, kAgent1);
  }
}

TEST_F(VolumeTruthTest, ForeignMountNeverCostsAVolumeItsLayers) {
  // Died between rollback:3 and rollback:4; then something was mounted there.
  EXPECT_OK(Publish(1));
  const std::string id = world_.VolumeId(1);
  VolumeRow row = *world_.Row(id);
  row.state = VolumeState::kWaiting;
  row.agent_id.clear();
  EXPECT_OK(world_.index->PutVolume(row));
  world_.fake.LoseMounts();
  world_.fake.AddForeignMount(world_.Target(1));
  EXPECT_THAT(Publish(1), StatusIs(kUnavailable));
  EXPECT_EQ(world_.Row(id)->attempts, 1);
  EXPECT_TRUE(world_.Exists(world_.layout.VolumeUpper(id)));
  EXPECT_THAT(world_.Trash(), IsEmpty());
}

TEST_F(VolumeTruthTest, OverlayInTheMountTableWinsOverRows) {
  for (const VolumeState state : {VolumeState::kWaiting, VolumeState::kEmpty}) {
    SCOPED_TRACE(Name(state));
    const int pod = state == VolumeState::kEmpty ? 1 : 2;
    EXPECT_OK(Publish(pod));
    const std::string id = world_.VolumeId(pod);
    VolumeRow row = *world_.Row(id);
    row.state = state;
    row.agent_id.clear();
    EXPECT_OK(world_.index->PutVolume(row));
    EXPECT_OK(WriteVolumeRecord(world_.layout, row));
    world_.mounts = std::vector<MountEntry>{OverlayLine(pod)};
    world_.Reconcile();
    EXPECT_EQ(world_.StateOf(id), "mounted");
    EXPECT_EQ(world_.Row(id)->agent_id, kAgent1);
    EXPECT_TRUE(world_.Exists(world_.layout.VolumeUpper(id)));
    // Nor does publish believe the old record.
    EXPECT_THAT(Publish(pod), IsOkAndHolds(PublishOutcome::kAlreadyPublished));
    EXPECT_EQ(world_.StateOf(id), "mounted");
  }
  EXPECT_EQ(world_.LeasesOf(kAgent1), 2);
}

TEST_F(VolumeTruthTest, RecordedEmptyVolumeIsEmptyWhateverItsRowSays) {
  PublishEmpty(1);
  for (const VolumeState state :
       {VolumeState::kMounting, VolumeState::kMounted}) {
    SCOPED_TRACE(Name(state));
    PutLeasedRow(1, state);
    world_.Restart();
    EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kAlreadyPublished));
    ExpectEmptyWithNotice(1);
  }
  PutLeasedRow(1, VolumeState::kMounting);
  EXPECT_EQ(world_.Reconcile(), (ReconcileResult{.empty = 1}));
  ExpectEmptyWithNotice(1);
}

TEST_F(VolumeTruthTest, EmptyVolumeInTheMountTableIsEmptyWithoutItsRecord) {
  PublishEmpty(1);
  world_.mounts = std::vector<MountEntry>{EmptyLine(1)};
  for (const VolumeState state :
       {VolumeState::kMounting, VolumeState::kMounted}) {
    SCOPED_TRACE(Name(state));
    PutLeasedRow(1, state);
    std::filesystem::remove(world_.layout.VolumeRecord(world_.VolumeId(1)));
    EXPECT_EQ(world_.Reconcile(), (ReconcileResult{.empty = 1}));
    ExpectEmptyWithNotice(1);
  }
}

TEST_F(VolumeTruthTest, RecordedEmptyVolumeWithoutRowGetsItsNotice) {
  PublishEmpty(1);
  world_.DeleteIndex();
  Provision();
  EXPECT_EQ(world_.Reconcile(), (ReconcileResult{.empty = 1}));
  ExpectEmptyWithNotice(1);
  EXPECT_EQ(world_.Reconcile(), (ReconcileResult{.empty = 1}));
  ExpectEmptyWithNotice(1);
}

// A reboot ends the pod, not what it wrote into a bare directory; and after a
// reconcile no record says any more that this may be deleted.
class BareDirectoryTest : public VolumeTruthTest,
                          public testing::WithParamInterface<bool> {
 protected:
  void WriteAndReboot() {
    world_.fake.FailAlways(FakeMounter::Verb::kMountEmpty,
                           absl::InternalError("no tmpfs"));
    PublishEmpty(1);
    std::filesystem::create_directory(world_.Target(1) + "/log");
    std::filesystem::create_directory_symlink(world_.dir.path(),
                                              world_.Target(1) + "/link");
    world_.fake.Heal();
    world_.Reboot();
    if (GetParam()) world_.Reconcile();
  }
};

TEST_P(BareDirectoryTest, OfAnEarlierBootMakesRoomForTheAgent) {
  WriteAndReboot();
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kMounted));
}

TEST_P(BareDirectoryTest, OfAnEarlierBootGoesWithUnpublish) {
  WriteAndReboot();
  EXPECT_OK(world_.unpublisher->Unpublish(world_.VolumeId(1), world_.Target(1))
                .status);
  EXPECT_FALSE(world_.Exists(world_.Target(1)));
}

// Kubelet may be faster than the reconcile.
INSTANTIATE_TEST_SUITE_P(Reconciled, BareDirectoryTest, testing::Bool(),
                         testing::PrintToStringParamName());

TEST_F(VolumeTruthTest, OneUnreadableRecordDoesNotBlockTheOthers) {
  EXPECT_OK(Publish(1));
  EXPECT_OK(Publish(2));
  EXPECT_OK(Publish(3));
  MakeRecordUnreadable(1);
  MakeRecordUnreadable(2);
  world_.mounts = std::vector<MountEntry>{OverlayLine(1)};
  world_.DeleteIndex();
  EXPECT_EQ(world_.Reconcile(),
            (ReconcileResult{.mounted = 2, .recovered = 1, .rolled_back = 1}));
  EXPECT_EQ(world_.StateOf(world_.VolumeId(1)), "mounted");
  EXPECT_EQ(world_.StateOf(world_.VolumeId(3)), "mounted");
  EXPECT_EQ(world_.LeasesOf(kAgent1), 2);
}

TEST_F(VolumeTruthTest, UnpublishWithoutReadableRecordLeavesTheBooksAlone) {
  EXPECT_OK(Publish(1));
  MakeRecordUnreadable(1);
  world_.DeleteIndex();
  EXPECT_OK(world_.unpublisher->Unpublish(world_.VolumeId(1), world_.Target(1))
                .status);
  EXPECT_FALSE(world_.Exists(world_.Target(1)));
  EXPECT_TRUE(world_.Exists(world_.layout.VolumeDir(world_.VolumeId(1))));
  world_.Reconcile();
  EXPECT_FALSE(world_.Exists(world_.layout.VolumeDir(world_.VolumeId(1))));
}

}  // namespace
}  // namespace oneagent
