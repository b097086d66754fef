// Collections over real trees, a real index and a clock of ours.
#include "cache/collect/collector.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "base/durable_file.h"
#include "base/failpoint.h"
#include "cache/index/records.h"
#include "cache/store/tree_lock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/store/bare_process.h"
#include "tests/unit/store/store_fixture.h"

namespace oneagent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const testing::Environment* const kBare = BareProcess::Install();

class CollectorTest : public StoreFixture {
 protected:
  CollectorTest() { EXPECT_OK(index_->SetReconciled(kBootId)); }
  void TearDown() override { DisarmFailpoints(); }

  absl::StatusOr<CollectionResult> Collect(int64_t keep = 0,
                                           bool tenants_known = true) {
    Collector collector(*store_, *index_, clock_, kBootId,
                        {.grace_period = absl::Minutes(5),
                         .keep_versions = keep,
                         .trash_age = absl::ZeroDuration()});
    return collector.RunOnce(tenants_known);
  }
  // Installs it and makes it the tenant's current one.
  std::string Switch(const std::string& version) {
    const auto row = Install(version);
    EXPECT_OK(row);
    EXPECT_OK(SetCurrent("dk", IdOf(version)));
    return IdOf(version);
  }
  absl::Status DeleteDynakube() {
    const TenantRow row = {.dynakube = "dk",
                           .namespace_name = "dynatrace",
                           .updated_at = clock_.Now(),
                           .deleted_at = clock_.Now()};
    absl::Status status = WriteTenantRecord(layout_, row);
    status.Update(index_->PutTenant(row));
    return status;
  }
  bool HasTree(const std::string& id) {
    const auto there = PathExists(layout_.AgentTree(id));
    return there.ok() && *there;
  }
};

TEST_F(CollectorTest, VersionSwitchLeavesMountedAgentsAlone) {
  const std::string old_id = Switch("1");
  ASSERT_OK(AcquireLease("v", "dk"));
  const std::string new_id = Switch("2");
  clock_.Advance(absl::Hours(1));
  ASSERT_OK_AND_ASSIGN(const CollectionResult kept, Collect());
  EXPECT_THAT(kept.agents, IsEmpty());
  EXPECT_EQ(kept.skipped, "");
  EXPECT_EQ(ReadTestFile(layout_.AgentTree(old_id) + "/agent/version"), "1");

  ASSERT_OK(index_->ReleaseLease("v", clock_.Now()));
  ASSERT_OK_AND_ASSIGN(const CollectionResult graced, Collect());
  EXPECT_THAT(graced.agents, IsEmpty());

  clock_.Advance(absl::Minutes(5) + absl::Seconds(1));
  ASSERT_OK_AND_ASSIGN(const CollectionResult removed, Collect());
  EXPECT_THAT(removed.agents, ElementsAre(old_id));
  EXPECT_GT(removed.bytes, 0);
  EXPECT_FALSE(HasTree(old_id));
  EXPECT_TRUE(HasTree(new_id));
  EXPECT_THAT(ListDirectory(layout_.TrashAgents()), IsOkAndHolds(IsEmpty()));
  ExpectConsistent();
}

TEST_F(CollectorTest, KeepsTheNewestUnleasedVersions) {
  for (const char* const version : {"1", "2", "3", "4"}) {
    Switch(version);
    clock_.Advance(absl::Hours(1));
  }
  ASSERT_OK_AND_ASSIGN(const CollectionResult result, Collect(/*keep=*/1));
  EXPECT_THAT(result.agents,
              testing::UnorderedElementsAre(IdOf("1"), IdOf("2")));
  EXPECT_TRUE(HasTree(IdOf("3")));
  EXPECT_TRUE(HasTree(IdOf("4")));
}

TEST_F(CollectorTest, ConfigurationsGoWhenNobodyHasThem) {
  ASSERT_OK_AND_ASSIGN(const AgentRow agent, Install("1"));
  ASSERT_OK_AND_ASSIGN(const ConfigRow a, InstallConf("a"));
  ASSERT_OK_AND_ASSIGN(const ConfigRow b, InstallConf("b"));
  ASSERT_OK_AND_ASSIGN(const ConfigRow c, InstallConf("c"));
  ASSERT_OK(SetCurrent("dk", agent.id, a.id));
  ASSERT_OK(AcquireLease("v", "dk"));
  ASSERT_OK(SetCurrent("dk", agent.id, b.id));
  clock_.Advance(absl::Hours(1));
  ASSERT_OK_AND_ASSIGN(const CollectionResult result, Collect());
  EXPECT_THAT(result.configs, ElementsAre(c.id));
  ExpectConsistent();
}

TEST_F(CollectorTest, NothingGoesBeforeTheMounterHasReconciled) {
  Switch("1");
  Switch("2");
  clock_.Advance(absl::Hours(1));
  LoseIndex();
  dir_.WriteFile("data/trash/agents/old-0/x", "x");
  ASSERT_OK_AND_ASSIGN(const CollectionResult result, Collect());
  EXPECT_THAT(result.skipped, HasSubstr("reconciled"));
  EXPECT_THAT(result.agents, IsEmpty());
  EXPECT_TRUE(HasTree(IdOf("1")));
  EXPECT_THAT(ListDirectory(layout_.TrashAgents()), IsOkAndHolds(IsEmpty()));
  // Nor by another boot's reconcile.
  ASSERT_OK(index_->SetReconciled("boot-0"));
  ASSERT_OK_AND_ASSIGN(const CollectionResult other, Collect());
  EXPECT_THAT(other.skipped, HasSubstr("reconciled"));
  ASSERT_OK(index_->SetReconciled(kBootId));
  ASSERT_OK_AND_ASSIGN(const CollectionResult now, Collect());
  EXPECT_THAT(now.agents, ElementsAre(IdOf("1")));
}

TEST_F(CollectorTest, NothingGoesWhileTheDynakubesAreUnknown) {
  Switch("1");
  Switch("2");
  clock_.Advance(absl::Hours(1));
  dir_.WriteFile("data/trash/agents/old-0/x", "x");
  ASSERT_OK_AND_ASSIGN(const CollectionResult result,
                       Collect(/*keep=*/0, /*tenants_known=*/false));
  EXPECT_THAT(result.skipped, HasSubstr("not known"));
  EXPECT_TRUE(HasTree(IdOf("1")));
  EXPECT_THAT(ListDirectory(layout_.TrashAgents()), IsOkAndHolds(IsEmpty()));
}

TEST_F(CollectorTest, DeletedDynakubeGoesWithItsRecordAfterItsLastVolume) {
  const std::string id = Switch("1");
  ASSERT_OK(AcquireLease("v", "dk"));
  ASSERT_OK(DeleteDynakube());
  clock_.Advance(absl::Hours(1));
  ASSERT_OK_AND_ASSIGN(const CollectionResult named, Collect());
  EXPECT_THAT(named.tenants, IsEmpty());
  EXPECT_THAT(named.agents, IsEmpty());
  EXPECT_TRUE(HasTree(id));

  ASSERT_OK(index_->ReleaseLease("v", clock_.Now()));
  clock_.Advance(absl::Hours(1));
  ASSERT_OK_AND_ASSIGN(const CollectionResult result, Collect());
  EXPECT_THAT(result.tenants, ElementsAre("dk"));
  EXPECT_THAT(result.agents, ElementsAre(id));
  EXPECT_THAT(index_->ListTenants(), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(ListDirectory(layout_.TenantsDir()), IsOkAndHolds(IsEmpty()));
}

TEST_F(CollectorTest, DeletedDynakubeStaysKnownWhileItHasHostStorage) {
  ASSERT_OK(DeleteDynakube());
  clock_.Advance(absl::Hours(1));
  dir_.MakeDir("data/host/dk.1");
  dir_.MakeDir("data/host/dk-other");
  ASSERT_OK_AND_ASSIGN(const CollectionResult kept, Collect());
  EXPECT_THAT(kept.tenants, IsEmpty());
  ASSERT_EQ(rmdir(dir_.Path("data/host/dk.1").c_str()), 0);
  ASSERT_OK_AND_ASSIGN(const CollectionResult removed, Collect());
  EXPECT_THAT(removed.tenants, ElementsAre("dk"));
}

TEST_F(CollectorTest, DynakubeThatComesBackDuringACollectionStays) {
  Switch("1");
  Switch("2");
  ASSERT_OK(DeleteDynakube());
  clock_.Advance(absl::Hours(1));
  ArmFailpoint("remove:3", [this] { EXPECT_OK(SetCurrent("dk", "")); });
  ASSERT_OK_AND_ASSIGN(const CollectionResult result, Collect());
  EXPECT_THAT(result.agents, Not(IsEmpty()));
  EXPECT_THAT(result.tenants, IsEmpty());
  EXPECT_THAT(PathExists(layout_.TenantRecord("dk")), IsOkAndHolds(true));
}

TEST_F(CollectorTest, DynakubeWhoseRecordIsBackAheadOfItsRowStays) {
  ASSERT_OK(DeleteDynakube());
  clock_.Advance(absl::Hours(1));
  ASSERT_OK(WriteTenantRecord(layout_, {.dynakube = "dk"}));
  ASSERT_OK_AND_ASSIGN(const CollectionResult result, Collect());
  EXPECT_THAT(result.tenants, IsEmpty());
  ASSERT_OK_AND_ASSIGN(const TenantRow record, ReadTenantRecord(layout_, "dk"));
  EXPECT_EQ(record.deleted_at, absl::InfinitePast());
}

TEST_F(CollectorTest, NobodyBringsADynakubeBackInTheMiddleOfItsRemoval) {
  ASSERT_OK(DeleteDynakube());
  clock_.Advance(absl::Hours(1));
  ArmFailpoint("tenant:1", [this] {
    EXPECT_THAT(LockTrees(layout_.TenantsDir(), absl::ZeroDuration()),
                StatusIs(absl::StatusCode::kUnavailable,
                         HasSubstr(layout_.TenantsDir())));
    // Nor does a row of one who does not know the lock go.
    EXPECT_OK(index_->PutTenant({.dynakube = "dk"}));
  });
  ASSERT_OK(Collect());
  ASSERT_OK_AND_ASSIGN(const auto row, index_->GetTenant("dk"));
  EXPECT_TRUE(row.has_value());
}

TEST_F(CollectorTest, AgentLeasedAfterThePlanStays) {
  const std::string first = Switch("1");
  const std::string second = Switch("2");
  Switch("3");
  clock_.Advance(absl::Hours(1));
  // Both are planned. When the one is gone, the other becomes current again,
  // and a pod takes it.
  std::string leased;
  ArmFailpoint("remove:3", [&] {
    if (!leased.empty()) return;
    leased = HasTree(first) ? first : second;
    EXPECT_OK(SetCurrent("dk", leased));
    EXPECT_OK(AcquireLease("v", "dk"));
    EXPECT_OK(SetCurrent("dk", IdOf("3")));
  });
  ASSERT_OK_AND_ASSIGN(const CollectionResult result, Collect());
  EXPECT_EQ(result.agents.size(), 1u);
  EXPECT_TRUE(HasTree(leased));
  ExpectConsistent();
}

TEST_F(CollectorTest, OneFailingRemovalDoesNotStopTheOthers) {
  Switch("1");
  Switch("2");
  Switch("3");
  clock_.Advance(absl::Hours(1));
  // A manifest that cannot be unlinked, because it is a directory.
  ASSERT_OK(RemoveFileIfPresent(layout_.AgentManifest(IdOf("1"))));
  dir_.WriteFile("data/agents/" + IdOf("1") + ".json/x", "x");
  EXPECT_THAT(Collect(), testing::AllOf(Not(IsOk())));
  EXPECT_FALSE(HasTree(IdOf("2")));
  EXPECT_TRUE(HasTree(IdOf("3")));
}

TEST_F(CollectorTest, StagingLeftoversGoAfterADay) {
  const std::string old = dir_.WriteFile("data/staging/old.part", "x");
  const std::string young = dir_.WriteFile("data/staging/young.part", "x");
  const auto set_age = [this](const std::string& path, absl::Duration age) {
    const struct timespec time = absl::ToTimespec(clock_.Now() - age);
    const struct timespec times[2] = {time, time};
    EXPECT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  };
  set_age(old, absl::Hours(25));
  set_age(young, absl::Hours(23));
  ASSERT_OK(Collect());
  EXPECT_THAT(ListDirectory(layout_.StagingDir()),
              IsOkAndHolds(ElementsAre("young.part")));
}

TEST_F(CollectorTest, TrashIsDeletedWhenItIsAMinuteOld) {
  clock_.Set(absl::Now());
  Switch("1");
  Switch("2");
  clock_.Advance(absl::Minutes(6));
  Collector collector(*store_, *index_, clock_, kBootId, {.keep_versions = 0});
  ASSERT_OK(collector.RunOnce(/*tenants_known=*/true));
  EXPECT_FALSE(HasTree(IdOf("1")));
  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> moved,
                       ListDirectory(layout_.TrashAgents()));
  ASSERT_THAT(moved, testing::SizeIs(1));
  // Whatever becomes of the wall clock.
  clock_.Advance(absl::Hours(1));
  ASSERT_OK(collector.RunOnce(/*tenants_known=*/true));
  EXPECT_THAT(ListDirectory(layout_.TrashAgents()), IsOkAndHolds(moved));
  // As if it were of another boot.
  const std::string trash = layout_.TrashAgents();
  std::filesystem::rename(absl::StrCat(trash, "/", moved[0]),
                          absl::StrCat(trash, "/a-9000000000000000"));
  ASSERT_OK(collector.RunOnce(/*tenants_known=*/true));
  EXPECT_THAT(ListDirectory(trash), IsOkAndHolds(IsEmpty()));
}

TEST_F(CollectorTest, AClockThatWasAheadKeepsNothing) {
  clock_.Advance(absl::Hours(24 * 365));
  const std::string old_id = Switch("1");
  Switch("2");
  ASSERT_OK_AND_ASSIGN(const ConfigRow config, InstallConf("a"));
  clock_.Advance(-absl::Hours(24 * 365));
  ASSERT_OK_AND_ASSIGN(const CollectionResult result, Collect());
  EXPECT_THAT(result.agents, ElementsAre(old_id));
  EXPECT_THAT(result.configs, ElementsAre(config.id));
}

TEST_F(CollectorTest, PlanIsWhatTheRunRemoves) {
  Switch("1");
  Switch("2");
  clock_.Advance(absl::Hours(1));
  Collector collector(*store_, *index_, clock_, kBootId, {.keep_versions = 0});
  ASSERT_OK_AND_ASSIGN(const CollectionPlan plan, collector.Plan());
  EXPECT_THAT(plan.agents, ElementsAre(IdOf("1")));
  EXPECT_TRUE(HasTree(IdOf("1")));
  ASSERT_OK_AND_ASSIGN(const CollectionResult result,
                       collector.RunOnce(/*tenants_known=*/true));
  EXPECT_EQ(result.agents, plan.agents);
}

}  // namespace
}  // namespace oneagent
