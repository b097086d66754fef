#include <string>
#include <vector>

#include "tests/unit/index/index_fixture.h"

namespace oneagent {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Eq;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class IndexVolumesTest : public IndexTest {};

constexpr char kNotSetUp[] =
    "version or digest is not yet set, csi-provisioner hasn't finished setup "
    "yet for dk DynaKube";

TEST_F(IndexVolumesTest, LeaseIsTheTenantsCurrentAgentAndConfig) {
  PutReadyTenant();

  ASSERT_OK_AND_ASSIGN(const Lease lease, Acquire("v1"));

  EXPECT_EQ(lease.agent_id, "a1");
  EXPECT_EQ(lease.config_id, "c1");
  VolumeRow want = VolumeOf("v1");
  want.state = VolumeState::kMounting;
  want.agent_id = "a1";
  want.config_id = "c1";
  want.since = At(10);
  EXPECT_EQ(lease.row, want);
  Reopen();
  EXPECT_EQ(Volume("v1"), want);
  EXPECT_EQ(Agent("a1").leases, 1);
}

TEST_F(IndexVolumesTest, EveryFieldOfARowComesBack) {
  const VolumeRow row = {.id = "v1",
                         .pod = "p",
                         .namespace_name = "n",
                         .pod_uid = "u",
                         .dynakube = "dk",
                         .mode = VolumeMode::kHost,
                         .read_only = true,
                         .target = "/t \"'\n",
                         .state = VolumeState::kMounted,
                         .agent_id = "a",
                         .config_id = "c",
                         .host_storage = "dk.2",
                         .boot_id = "b",
                         .since = At(3) + absl::Milliseconds(7),
                         .reason = std::string("nul\0inside", 10),
                         .attempts = 3,
                         .first_failure_at = At(2)};
  ASSERT_OK(index_->PutVolume(row));
  EXPECT_EQ(Volume("v1"), row);
  EXPECT_THAT(index_->ListVolumes(), IsOkAndHolds(ElementsAre(row)));
}

TEST_F(IndexVolumesTest, LeaseWithoutConfigIsFine) {
  ASSERT_OK(index_->PutAgent(AgentOf("a1", "1.0")));
  ASSERT_OK(index_->PutTenant(TenantOf("dk", "a1")));
  ASSERT_OK_AND_ASSIGN(const Lease lease, Acquire("v1"));
  EXPECT_EQ(lease.config_id, "");
}

TEST_F(IndexVolumesTest, UnknownDynaKubeIsNotFound) {
  EXPECT_THAT(Acquire("v1"),
              StatusIs(absl::StatusCode::kNotFound,
                       Eq(absl::StrCat(kNotSetUp, ": no such DynaKube"))));
  EXPECT_THAT(index_->GetVolume("v1"), IsOkAndHolds(std::nullopt));
}

TEST_F(IndexVolumesTest, DeletedDynaKubeIsNotFound) {
  PutReadyTenant();
  TenantRow tenant = TenantOf("dk", "a1", "c1");
  tenant.deleted_at = At(5);
  ASSERT_OK(index_->PutTenant(tenant));
  EXPECT_THAT(Acquire("v1"),
              StatusIs(absl::StatusCode::kNotFound, StartsWith(kNotSetUp)));
}

TEST_F(IndexVolumesTest, TenantWithoutAgentSaysItsStateAndReason) {
  TenantRow tenant = TenantOf("dk", "");
  tenant.state = TenantState::kFailed;
  tenant.reason = "connectioninfo: 401";
  ASSERT_OK(index_->PutTenant(tenant));
  EXPECT_THAT(
      Acquire("v1"),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               Eq(absl::StrCat(kNotSetUp, ": failed: connectioninfo: 401"))));
}

TEST_F(IndexVolumesTest, MissingTreeOfAgentOrConfigGivesNoLease) {
  PutReadyTenant();
  ASSERT_OK(index_->SetAgentState("a1", TreeState::kMissing));
  EXPECT_THAT(
      Acquire("v1"),
      StatusIs(
          absl::StatusCode::kFailedPrecondition,
          Eq(absl::StrCat(kNotSetUp, ": ready: agent a1 is missing on disk"))));
  ASSERT_OK(index_->SetAgentState("a1", TreeState::kReady));
  ASSERT_OK(index_->SetConfigState("c1", TreeState::kMissing));
  EXPECT_THAT(Acquire("v1"), StatusIs(absl::StatusCode::kFailedPrecondition,
                                      HasSubstr("configuration c1")));
  ASSERT_OK(index_->SetConfigState("c1", TreeState::kReady));
  EXPECT_OK(Acquire("v1"));
}

TEST_F(IndexVolumesTest, HostModeNeedsNeitherTenantNorAgent) {
  VolumeRow volume = VolumeOf("v1", "nobody-knows");
  volume.mode = VolumeMode::kHost;
  volume.host_storage = "nobody-knows";
  ASSERT_OK_AND_ASSIGN(const Lease lease,
                       index_->AcquireLease({.volume = volume, .now = At(1)}));
  EXPECT_EQ(lease.agent_id, "");
  EXPECT_EQ(Volume("v1").host_storage, "nobody-knows");
  EXPECT_EQ(Volume("v1").state, VolumeState::kMounting);
}

TEST_F(IndexVolumesTest, SecondAcquireFollowsTheTenantAndLetsGoOfTheFirst) {
  PutReadyTenant();
  ASSERT_OK(Acquire("v1", 10));
  ASSERT_OK(index_->PutAgent(AgentOf("a2", "2.0")));
  ASSERT_OK(index_->PutTenant(TenantOf("dk", "a2", "c1")));
  ASSERT_OK_AND_ASSIGN(const Lease lease, Acquire("v1", 20));
  EXPECT_EQ(lease.agent_id, "a2");
  EXPECT_EQ(Agent("a1").leases, 0);
  EXPECT_EQ(Agent("a1").last_used_at, At(20));
  EXPECT_EQ(Agent("a2").leases, 1);
}

TEST_F(IndexVolumesTest, MountedForgetsTheFailuresBefore) {
  PutReadyTenant();
  VolumeRow failed = VolumeOf("v1");
  failed.reason = "disk full";
  failed.attempts = 1;
  failed.first_failure_uptime = absl::Seconds(7);
  failed.cause = Cause::kDisk;
  ASSERT_OK(index_->RecordFailure(failed, At(1)));
  ASSERT_OK_AND_ASSIGN(const Lease lease, Acquire("v1", 2));
  EXPECT_EQ(lease.row.attempts, 1);
  EXPECT_EQ(lease.row.first_failure_at, At(1));
  EXPECT_EQ(lease.row.first_failure_uptime, absl::Seconds(7));
  EXPECT_EQ(lease.row.reason, "disk full");
  EXPECT_EQ(lease.row.cause, Cause::kDisk);
  EXPECT_EQ(Volume("v1"), lease.row);

  ASSERT_OK(index_->MarkMounted("v1", At(3)));

  VolumeRow want = VolumeOf("v1");
  want.state = VolumeState::kMounted;
  want.agent_id = "a1";
  want.config_id = "c1";
  want.since = At(3);
  EXPECT_EQ(Volume("v1"), want);
}

TEST_F(IndexVolumesTest, OnlyWhatIsBeingMountedBecomesMounted) {
  EXPECT_THAT(index_->MarkMounted("v1", At(1)),
              StatusIs(absl::StatusCode::kNotFound));
  ASSERT_OK(index_->RecordFailure(VolumeOf("v1"), At(1)));
  EXPECT_THAT(index_->MarkMounted("v1", At(2)),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(Volume("v1").state, VolumeState::kWaiting);
}

TEST_F(IndexVolumesTest, FailuresAreCountedFromTheFirst) {
  PutReadyTenant();
  ASSERT_OK(Acquire("v1", 1));
  VolumeRow failed = VolumeOf("v1");
  failed.reason = "first";
  failed.attempts = 1;
  ASSERT_OK_AND_ASSIGN(const VolumeRow one,
                       index_->RecordFailure(failed, At(2)));
  EXPECT_EQ(one.attempts, 1);
  EXPECT_EQ(one.first_failure_at, At(2));
  EXPECT_EQ(one.agent_id, "");
  EXPECT_EQ(Agent("a1").leases, 0);
  EXPECT_EQ(Agent("a1").last_used_at, At(2));
  ASSERT_OK(Acquire("v1", 3));
  failed.reason = "second";
  failed.attempts = 2;
  ASSERT_OK_AND_ASSIGN(const VolumeRow two,
                       index_->RecordFailure(failed, At(4)));
  EXPECT_EQ(two.attempts, 2);
  EXPECT_EQ(two.first_failure_at, At(2));
  EXPECT_EQ(two.reason, "second");
  Reopen();
  EXPECT_EQ(Volume("v1"), two);
}

TEST_F(IndexVolumesTest, FailuresThatTheCallerRemembersCountWithoutARow) {
  VolumeRow remembered = VolumeOf("v1");
  remembered.attempts = 4;
  remembered.first_failure_at = At(1);
  ASSERT_OK_AND_ASSIGN(const VolumeRow row,
                       index_->RecordFailure(remembered, At(100)));
  EXPECT_EQ(row.attempts, 4);
  EXPECT_EQ(row.first_failure_at, At(1));
}

TEST_F(IndexVolumesTest, EmptyVolumeGivesUpItsLeaseAndLeavesANotice) {
  PutReadyTenant();
  ASSERT_OK(Acquire("v1", 1));
  VolumeRow volume = VolumeOf("v1");
  volume.reason = "no agent for 10m";
  ASSERT_OK(index_->MarkEmpty(volume, At(50)));

  EXPECT_EQ(Volume("v1").state, VolumeState::kEmpty);
  EXPECT_EQ(Volume("v1").since, At(50));
  EXPECT_EQ(Agent("a1").leases, 0);
  EXPECT_EQ(Agent("a1").last_used_at, At(50));
  ASSERT_OK_AND_ASSIGN(std::vector<NoticeRow> notices, index_->ListNotices());
  ASSERT_EQ(notices.size(), 1U);
  const NoticeRow want = {.seq = notices[0].seq,
                          .volume_id = "v1",
                          .pod = "pod-of-v1",
                          .namespace_name = "shop",
                          .pod_uid = "uid-of-v1",
                          .dynakube = "dk",
                          .reason = "no agent for 10m",
                          .at = At(50)};
  EXPECT_EQ(notices[0], want);

  ASSERT_OK(index_->ReleaseLease("v1", At(60)));
  Reopen();
  EXPECT_THAT(index_->ListNotices(), IsOkAndHolds(ElementsAre(want)));
}

TEST_F(IndexVolumesTest, EmptyTwiceIsOneNotice) {
  ASSERT_OK(index_->MarkEmpty(VolumeOf("v1"), At(1)));
  ASSERT_OK(index_->MarkEmpty(VolumeOf("v1"), At(2)));
  ASSERT_OK_AND_ASSIGN(const auto notices, index_->ListNotices());
  EXPECT_EQ(notices.size(), 1U);
  EXPECT_EQ(Volume("v1").since, At(1));
}

TEST_F(IndexVolumesTest, NoticesAreAtMostAThousandAndTheNewest) {
  for (int i = 0; i < 1005; ++i) {
    ASSERT_OK(index_->MarkEmpty(VolumeOf(absl::StrCat("v", i)), At(i)));
  }
  ASSERT_OK_AND_ASSIGN(const auto notices, index_->ListNotices());
  ASSERT_EQ(notices.size(), 1000U);
  EXPECT_EQ(notices.front().volume_id, "v5");
  EXPECT_EQ(notices.back().volume_id, "v1004");
}

TEST_F(IndexVolumesTest, NoticesOlderThanAnHourGo) {
  ASSERT_OK(index_->MarkEmpty(VolumeOf("old"), At(0)));
  ASSERT_OK(index_->MarkEmpty(VolumeOf("edge"), At(1)));
  ASSERT_OK(index_->MarkEmpty(VolumeOf("new"), At(3601)));
  EXPECT_THAT(index_->ListNotices(),
              IsOkAndHolds(ElementsAre(Field(&NoticeRow::volume_id, "edge"),
                                       Field(&NoticeRow::volume_id, "new"))));
}

TEST_F(IndexVolumesTest, DeletedNoticesStayDeletedAndNumbersAreNotReused) {
  ASSERT_OK(index_->MarkEmpty(VolumeOf("v1"), At(0)));
  ASSERT_OK(index_->MarkEmpty(VolumeOf("v2"), At(1)));
  ASSERT_OK_AND_ASSIGN(const auto before, index_->ListNotices());
  ASSERT_OK(index_->DeleteNotices(before[0].seq));
  EXPECT_THAT(index_->ListNotices(), IsOkAndHolds(ElementsAre(before[1])));
  ASSERT_OK(index_->DeleteNotices(before[1].seq));
  ASSERT_OK(index_->MarkEmpty(VolumeOf("v3"), At(2)));
  ASSERT_OK_AND_ASSIGN(const auto after, index_->ListNotices());
  ASSERT_EQ(after.size(), 1U);
  EXPECT_GT(after[0].seq, before[1].seq);
}

TEST_F(IndexVolumesTest, OneNoticeIsDeletedWithoutThoseBeforeIt) {
  ASSERT_OK(index_->MarkEmpty(VolumeOf("v1"), At(0)));
  ASSERT_OK(index_->MarkEmpty(VolumeOf("v2"), At(1)));
  ASSERT_OK_AND_ASSIGN(const auto before, index_->ListNotices());
  ASSERT_OK(index_->DeleteNotice(before[1].seq));
  EXPECT_THAT(index_->ListNotices(), IsOkAndHolds(ElementsAre(before[0])));
}

TEST_F(IndexVolumesTest, ReleaseEndsTheLeaseAndNotesItsTime) {
  PutReadyTenant();
  ASSERT_OK(Acquire("v1", 1));
  ASSERT_OK(index_->ReleaseLease("v1", At(30)));
  EXPECT_THAT(index_->GetVolume("v1"), IsOkAndHolds(std::nullopt));
  EXPECT_EQ(Agent("a1").leases, 0);
  EXPECT_EQ(Agent("a1").last_used_at, At(30));
  EXPECT_THAT(index_->ListConfigs(),
              IsOkAndHolds(
                  ElementsAre(AllOf(Field(&ConfigRow::leases, 0),
                                    Field(&ConfigRow::last_used_at, At(30))))));
}

TEST_F(IndexVolumesTest, ReleaseOfTheUnknownIsOk) {
  EXPECT_OK(index_->ReleaseLease("v1", At(1)));
  EXPECT_THAT(index_->ListVolumes(), IsOkAndHolds(IsEmpty()));
}

TEST_F(IndexVolumesTest, LastUseNeverGoesBack) {
  PutReadyTenant();
  ASSERT_OK(Acquire("v1", 1));
  ASSERT_OK(Acquire("v2", 1));
  ASSERT_OK(index_->ReleaseLease("v1", At(30)));
  ASSERT_OK(index_->ReleaseLease("v2", At(20)));
  EXPECT_EQ(Agent("a1").last_used_at, At(30));
}

TEST_F(IndexVolumesTest, ReconcilerMayLeaseWhatHasNoRow) {
  VolumeRow volume = VolumeOf("v1");
  volume.state = VolumeState::kMounted;
  volume.agent_id = "ghost";
  volume.config_id = "phantom";
  ASSERT_OK(index_->PutVolume(volume));
  EXPECT_EQ(Volume("v1"), volume);
  EXPECT_EQ(Agent("ghost").state, TreeState::kMissing);
  EXPECT_EQ(Agent("ghost").leases, 1);
  EXPECT_THAT(
      index_->ListConfigs(),
      IsOkAndHolds(ElementsAre(Field(&ConfigRow::state, TreeState::kMissing))));
}

TEST_F(IndexVolumesTest, PutWithoutLeaseLetsGo) {
  PutReadyTenant();
  ASSERT_OK(Acquire("v1", 1));
  VolumeRow volume = VolumeOf("v1");
  volume.since = At(40);
  ASSERT_OK(index_->PutVolume(volume));
  EXPECT_EQ(Agent("a1").leases, 0);
  EXPECT_EQ(Agent("a1").last_used_at, At(40));
}

TEST_F(IndexVolumesTest, MaxAttemptsAreTheTenants) {
  PutReadyTenant();
  EXPECT_THAT(index_->MaxAttempts("dk"), IsOkAndHolds(7));
  EXPECT_THAT(index_->MaxAttempts("other"), IsOkAndHolds(0));
}

TEST_F(IndexVolumesTest, VolumesAreListedById) {
  for (const char* const id : {"b", "c", "a"}) {
    ASSERT_OK(index_->PutVolume(VolumeOf(id)));
  }
  EXPECT_THAT(index_->ListVolumes(),
              IsOkAndHolds(ElementsAre(Field(&VolumeRow::id, "a"),
                                       Field(&VolumeRow::id, "b"),
                                       Field(&VolumeRow::id, "c"))));
}

}  // namespace
}  // namespace oneagent
