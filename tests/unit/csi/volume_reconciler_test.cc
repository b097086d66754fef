#include "csi/volume_reconciler.h"

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cache/index/records.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/leak_check.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/csi/volume_world.h"

namespace oneagent {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr auto kUnavailable = absl::StatusCode::kUnavailable;

class VolumeReconcilerTest : public testing::Test {
 protected:
  VolumeReconcilerTest() { Provision(); }

  void Provision() {
    world_.InstallAgent(kAgent1, "1.300");
    world_.SetTenant("dk", kAgent1);
  }
  void Publish(int pod) {
    EXPECT_OK(world_.publisher->Publish(world_.Request(pod)));
  }
  void PublishFails(int pod) {
    world_.fake.FailNext(FakeMounter::Verb::kMountOverlay,
                         absl::InternalError("bad"));
    EXPECT_THAT(world_.publisher->Publish(world_.Request(pod)),
                StatusIs(kUnavailable));
  }
  // The kernel's line of the overlay of a pod.
  MountEntry OverlayLine(int pod, const std::string& agent_id) {
    const std::string id = world_.VolumeId(pod);
    return {.id = 1,
            .parent_id = 0,
            .root = "/",
            .mount_point = world_.Target(pod),
            .options = "rw",
            .fs_type = "overlay",
            .source = kMountSource,
            .super_options = absl::StrCat(
                "rw,lowerdir+=", world_.layout.AgentTree(agent_id),
                ",upperdir=", world_.layout.VolumeUpper(id),
                ",workdir=", world_.layout.VolumeWork(id), ",volatile")};
  }
  void DamageRecord(int pod) {
    world_.dir.WriteFile(
        absl::StrCat("data/volumes/", world_.VolumeId(pod), "/volume.json"),
        "{\"id\":");
  }
  std::unique_ptr<VolumeReconciler> NewReconciler(
      const VolumeGuard& guard = RunUnguarded) {
    return std::make_unique<VolumeReconciler>(*world_.context,
                                              /*on_change=*/nullptr, guard);
  }

  LeakCheck leaks_;
  VolumeWorld world_;
};

TEST_F(VolumeReconcilerTest, IsNeededOncePerBootAndIndex) {
  EXPECT_THAT(NewReconciler()->IsNeeded(), IsOkAndHolds(true));
  world_.Reconcile();
  EXPECT_THAT(NewReconciler()->IsNeeded(), IsOkAndHolds(false));
  world_.Restart();
  EXPECT_THAT(NewReconciler()->IsNeeded(), IsOkAndHolds(false));
  world_.DeleteIndex();
  EXPECT_THAT(NewReconciler()->IsNeeded(), IsOkAndHolds(true));
  world_.Reconcile();
  world_.Reboot();
  EXPECT_THAT(NewReconciler()->IsNeeded(), IsOkAndHolds(true));
}

TEST_F(VolumeReconcilerTest, KeepsWhatIsTrue) {
  Publish(1);
  const VolumeRow before = *world_.Row(world_.VolumeId(1));
  world_.Restart();
  EXPECT_EQ(world_.Reconcile(), (ReconcileResult{.mounted = 1}));
  EXPECT_EQ(world_.Row(world_.VolumeId(1)), before);
}

TEST_F(VolumeReconcilerTest, FillsALostIndexFromRecordsAndMounts) {
  Publish(1);
  Publish(2);
  PublishFails(3);
  PublishRequest empty = world_.Request(4);
  empty.retry_timeout = absl::ZeroDuration();
  empty.dynakube = "unheard-of";
  EXPECT_OK(world_.publisher->Publish(empty));
  PublishRequest host = world_.Request(5);
  host.mode = VolumeMode::kHost;
  EXPECT_OK(world_.publisher->Publish(host));
  std::vector<VolumeRow> before = *world_.index->ListVolumes();
  world_.DeleteIndex();
  EXPECT_EQ(world_.Reconcile(),
            (ReconcileResult{.mounted = 3, .waiting = 1, .empty = 1}));
  // The agent has no manifest in this test, so its row is made anew, too.
  EXPECT_EQ(world_.LeasesOf(kAgent1), 2);
  EXPECT_EQ(world_.Row(world_.VolumeId(5))->host_storage, "dk");
  std::vector<VolumeRow> after = *world_.index->ListVolumes();
  ASSERT_EQ(after.size(), before.size());
  for (size_t i = 0; i < after.size(); ++i) {
    after[i].since = before[i].since;  // of a mount: when it was found
    EXPECT_EQ(after[i], before[i]) << before[i].id;
  }
}

TEST_F(VolumeReconcilerTest, MountThatNeverHappenedIsRolledBack) {
  // Died after step 5: row and record `mounting`, nothing mounted.
  Publish(1);
  const std::string id = world_.VolumeId(1);
  world_.fake.LoseMounts();
  VolumeRow row = *world_.Row(id);
  row.state = VolumeState::kMounting;
  EXPECT_OK(world_.index->PutVolume(row));
  EXPECT_EQ(world_.Reconcile(),
            (ReconcileResult{.waiting = 1, .rolled_back = 1}));
  EXPECT_EQ(world_.StateOf(id), "waiting");
  EXPECT_EQ(world_.Row(id)->cause, Cause::kInterrupted);
  EXPECT_EQ(world_.LeasesOf(kAgent1), 0);
  EXPECT_THAT(world_.VolumeFiles(id), ElementsAre("volume.json"));
}

TEST_F(VolumeReconcilerTest, RollBackKeepsTheCountOfFailures) {
  PublishFails(1);
  const std::string id = world_.VolumeId(1);
  const absl::Time first = world_.Row(id)->first_failure_at;
  VolumeRow row = *world_.Row(id);
  row.state = VolumeState::kMounting;
  row.agent_id = kAgent1;
  EXPECT_OK(world_.index->PutVolume(row));
  EXPECT_EQ(world_.Reconcile(),
            (ReconcileResult{.waiting = 1, .rolled_back = 1}));
  EXPECT_EQ(world_.StateOf(id), "waiting");
  EXPECT_EQ(world_.Row(id)->attempts, 1);
  EXPECT_EQ(world_.Row(id)->first_failure_at, first);
  EXPECT_EQ(world_.LeasesOf(kAgent1), 0);
  EXPECT_THAT(world_.VolumeFiles(id), ElementsAre("volume.json"));
}

TEST_F(VolumeReconcilerTest, MountThatSomebodyTookAwayStaysLeasedForItsPod) {
  Publish(1);
  world_.fake.LoseMounts();
  EXPECT_EQ(world_.Reconcile(), (ReconcileResult{.waiting = 1}));
  EXPECT_EQ(world_.LeasesOf(kAgent1), 1);
  EXPECT_TRUE(world_.Exists(world_.layout.VolumeUpper(world_.VolumeId(1))));
  EXPECT_THAT(world_.publisher->Publish(world_.Request(1)), IsOk());
  EXPECT_TRUE(world_.IsMounted(1));
}

TEST_F(VolumeReconcilerTest, FinishesAMountWhoseRowSaysMounting) {
  Publish(1);
  VolumeRow row = *world_.Row(world_.VolumeId(1));
  row.state = VolumeState::kMounting;
  row.attempts = 3;
  EXPECT_OK(world_.index->PutVolume(row));
  EXPECT_EQ(world_.Reconcile(), (ReconcileResult{.mounted = 1}));
  EXPECT_EQ(world_.StateOf(world_.VolumeId(1)), "mounted");
  EXPECT_EQ(world_.Row(world_.VolumeId(1))->attempts, 0);
}

TEST_F(VolumeReconcilerTest, FinishesAnEmptyVolumeAndItsNotice) {
  // Died between empty:3 and empty:4: record `empty`, row `waiting`, mounted.
  PublishRequest request = world_.Request(1);
  request.retry_timeout = absl::ZeroDuration();
  request.dynakube = "unheard-of";
  EXPECT_OK(world_.publisher->Publish(request));
  VolumeRow row = *world_.Row(request.volume_id);
  row.state = VolumeState::kWaiting;
  EXPECT_OK(world_.index->PutVolume(row));
  ASSERT_OK_AND_ASSIGN(std::vector<NoticeRow> notices,
                       world_.index->ListNotices());
  EXPECT_OK(world_.index->DeleteNotices(notices.back().seq));
  EXPECT_EQ(world_.Reconcile(), (ReconcileResult{.empty = 1}));
  EXPECT_EQ(world_.StateOf(request.volume_id), "empty");
  EXPECT_THAT(world_.index->ListNotices(), IsOkAndHolds(SizeIs(1)));
}

TEST_F(VolumeReconcilerTest, NothingOfAnEarlierBootStays) {
  Publish(1);
  PublishFails(2);
  world_.Reboot();
  EXPECT_EQ(world_.Reconcile(), (ReconcileResult{.rolled_back = 2}));
  EXPECT_THAT(world_.index->ListVolumes(), IsOkAndHolds(IsEmpty()));
  EXPECT_EQ(world_.LeasesOf(kAgent1), 0);
  EXPECT_THAT(world_.Trash(), Contains(StartsWith(world_.VolumeId(1))));
  // The pod is there still: kubelet publishes again.
  Publish(1);
  EXPECT_EQ(world_.LeasesOf(kAgent1), 1);
}

TEST_F(VolumeReconcilerTest, RowWithNothingToItIsDeleted) {
  Publish(1);
  world_.fake.LoseMounts();
  std::filesystem::remove_all(world_.layout.VolumeDir(world_.VolumeId(1)));
  world_.Reconcile();
  EXPECT_EQ(world_.StateOf(world_.VolumeId(1)), "none");
  EXPECT_EQ(world_.LeasesOf(kAgent1), 0);
}

TEST_F(VolumeReconcilerTest, FailureThatOnlyTheIndexCouldTakeIsKept) {
  PublishFails(1);
  std::filesystem::remove_all(world_.layout.VolumeDir(world_.VolumeId(1)));
  world_.Reconcile();
  EXPECT_EQ(world_.Row(world_.VolumeId(1))->attempts, 1);
}

TEST_F(VolumeReconcilerTest, MountWithoutRecordGetsOneAgain) {
  Publish(1);
  std::filesystem::remove(world_.layout.VolumeRecord(world_.VolumeId(1)));
  world_.Reconcile();
  ASSERT_OK_AND_ASSIGN(const VolumeRow record,
                       ReadVolumeRecord(world_.layout, world_.VolumeId(1)));
  EXPECT_EQ(record.agent_id, kAgent1);
}

TEST_F(VolumeReconcilerTest, DamagedRecordOfALiveMountIsReadFromTheMountTable) {
  Publish(1);
  world_.mounts = std::vector<MountEntry>{OverlayLine(1, kAgent1)};
  DamageRecord(1);
  world_.DeleteIndex();
  EXPECT_EQ(world_.Reconcile(),
            (ReconcileResult{.mounted = 1, .recovered = 1}));
  const std::optional<VolumeRow> row = world_.Row(world_.VolumeId(1));
  ASSERT_TRUE(row.has_value());
  EXPECT_EQ(row->agent_id, kAgent1);
  EXPECT_EQ(row->target, world_.Target(1));
  EXPECT_EQ(row->pod_uid, world_.PodUid(1));
  EXPECT_TRUE(world_.Exists(world_.layout.VolumeUpper(world_.VolumeId(1))));
  EXPECT_OK(ReadVolumeRecord(world_.layout, world_.VolumeId(1)));
  EXPECT_THAT(world_.publisher->Publish(world_.Request(1)), IsOk());
  EXPECT_EQ(world_.LeasesOf(kAgent1), 1);
}

TEST_F(VolumeReconcilerTest, LiveMountIsLeasedThoughAllElseIsLost) {
  PublishRequest request = world_.Request(1);
  request.read_only = true;  // no layer of it names the volume
  EXPECT_OK(world_.publisher->Publish(request));
  MountEntry line = OverlayLine(1, kAgent1);
  line.super_options =
      absl::StrCat("ro,lowerdir+=", world_.layout.AgentTree(kAgent1),
                   ",lowerdir+=", world_.layout.SkeletonDir());
  world_.mounts = std::vector<MountEntry>{line};
  std::filesystem::remove_all(world_.layout.VolumeDir(request.volume_id));
  world_.DeleteIndex();
  world_.Reconcile();
  EXPECT_EQ(world_.LeasesOf(kAgent1), 1);
  EXPECT_EQ(world_.StateOf(request.volume_id), "mounted");
  EXPECT_TRUE(world_.Row(request.volume_id)->read_only);
}

TEST_F(VolumeReconcilerTest, MountAtAStrangePlaceHoldsItsLeaseUnderAName) {
  // As another --target-check left it: no pod, no volume name.
  const std::string place = world_.dir.MakeDir("kubelet/pods/x");
  world_.fake.AddForeignMount(place);
  MountEntry line = OverlayLine(1, kAgent1);
  line.mount_point = place;
  line.super_options =
      absl::StrCat("ro,lowerdir+=", world_.layout.AgentTree(kAgent1));
  world_.mounts = std::vector<MountEntry>{line};
  world_.Reconcile();
  EXPECT_EQ(world_.LeasesOf(kAgent1), 1);
}

TEST_F(VolumeReconcilerTest, DamagedRecordWithoutMountGoesToTrash) {
  Publish(1);
  world_.fake.LoseMounts();
  DamageRecord(1);
  world_.DeleteIndex();
  world_.Reconcile();
  EXPECT_THAT(world_.index->ListVolumes(), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(world_.VolumeFiles(world_.VolumeId(1)), IsEmpty());
  EXPECT_THAT(world_.Trash(), Contains(StartsWith(world_.VolumeId(1))));
}

TEST_F(VolumeReconcilerTest, UnreadableMountTableChangesNothing) {
  Publish(1);
  world_.fake.LoseMounts();
  world_.mounts = absl::UnavailableError("mountinfo: no");
  EXPECT_THAT(NewReconciler()->RunOnce(), StatusIs(kUnavailable));
  EXPECT_THAT(NewReconciler()->IsNeeded(), IsOkAndHolds(true));
  EXPECT_EQ(world_.StateOf(world_.VolumeId(1)), "mounted");
}

TEST_F(VolumeReconcilerTest, VolumeThatCannotBeLookedAtKeepsItsLease) {
  Publish(1);
  world_.fake.FailAlways(FakeMounter::Verb::kIsMounted,
                         absl::InternalError("no answer"));
  world_.mounts = std::vector<MountEntry>{};
  world_.DeleteIndex();
  EXPECT_EQ(world_.Reconcile(), (ReconcileResult{.unknown = 1}));
  EXPECT_EQ(world_.LeasesOf(kAgent1), 1);
}

TEST_F(VolumeReconcilerTest, EachVolumeIsSettledUnderItsKey) {
  Publish(1);
  Publish(2);
  std::set<std::string> keys;
  const auto guard = [&keys](const std::string& id,
                             const std::function<void()>& work) {
    keys.insert(id);
    work();
    return true;
  };
  EXPECT_OK(NewReconciler(guard)->RunOnce());
  EXPECT_EQ(keys,
            (std::set<std::string>{world_.VolumeId(1), world_.VolumeId(2)}));
}

TEST_F(VolumeReconcilerTest, VolumeThatIsBusyLeavesTheIndexUnreconciled) {
  Publish(1);
  const auto busy = [](const std::string&, const std::function<void()>&) {
    return false;
  };
  EXPECT_THAT(NewReconciler(busy)->RunOnce(), StatusIs(kUnavailable));
  EXPECT_THAT(NewReconciler()->IsNeeded(), IsOkAndHolds(true));
}

TEST_F(VolumeReconcilerTest, ForeignMountOnAWaitingVolumeIsNotTakenForOurs) {
  PublishFails(1);
  world_.fake.AddForeignMount(world_.Target(1));
  world_.dir.MakeDir(world_.Target(1).substr(world_.dir.path().size() + 1));
  world_.Reconcile();
  EXPECT_EQ(world_.StateOf(world_.VolumeId(1)), "waiting");
  EXPECT_EQ(world_.LeasesOf(kAgent1), 0);
}

}  // namespace
}  // namespace oneagent
