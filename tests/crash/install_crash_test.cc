// The crash matrix of the provisioner's state changes: a child dies at each
// numbered step of store.cc and collector.cc; what it left is recovered, and
// must be consistent, with everything else in its place.
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/failpoint.h"
#include "cache/collect/collector.h"
#include "cache/index/records.h"
#include "gtest/gtest.h"
#include "tests/support/failpoints.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/store/bare_process.h"
#include "tests/unit/store/store_fixture.h"

namespace oneagent {
namespace {

constexpr int kDied = 42;

const testing::Environment* const kBare = BareProcess::Install();

class InstallCrashTest : public StoreFixture,
                         public testing::WithParamInterface<std::string> {
 protected:
  InstallCrashTest() {
    // What must never be touched: an agent and a config in use.
    EXPECT_OK(Install("used"));
    const auto config = InstallConf("used");
    EXPECT_OK(config);
    if (config.ok()) used_config_ = config->id;
    EXPECT_OK(SetCurrent("other", IdOf("used"), used_config_));
    EXPECT_OK(AcquireLease("volume", "other"));
    EXPECT_OK(index_->SetReconciled(kBootId));
  }
  ~InstallCrashTest() override {
    EXPECT_EQ(ReadTestFile(layout_.AgentTree(IdOf("used")) + "/agent/version"),
              "used");
    EXPECT_EQ(ReadTestFile(absl::StrCat(layout_.ConfigTree(used_config_), "/",
                                        kProcessConfPath)),
              "used");
    const auto volume = index_->GetVolume("volume");
    EXPECT_TRUE(volume.ok() && volume->has_value() &&
                (*volume)->agent_id == IdOf("used"));
  }

  int Step() const {
    return std::stoi(GetParam().substr(GetParam().find(':') + 1));
  }

  // Runs `act` in a child that opens the directory anew and dies at
  // `failpoint`; fails when it never comes there.
  void DieAt(const std::string& failpoint, const std::function<void()>& act) {
    store_.reset();
    index_.reset();
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      Reopen();
      ArmFailpoint(failpoint, [] { _exit(kDied); });
      act();
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    ASSERT_EQ(WEXITSTATUS(status), kDied) << failpoint << " was not reached";
    Reopen();
  }

  std::string used_config_;
};

class AgentInstallCrashTest : public InstallCrashTest {};
INSTANTIATE_TEST_SUITE_P(Step, AgentInstallCrashTest,
                         testing::ValuesIn(FailpointsOf("install")));

TEST_P(AgentInstallCrashTest, LeavesAWholeAgentOrNone) {
  const int step = Step();
  DieAt(GetParam(), [this] { (void)Install("new"); });
  ASSERT_OK(store_->Recover());
  ExpectConsistent();
  ASSERT_OK_AND_ASSIGN(const auto row, index_->GetAgent(IdOf("new")));
  // Step 5 is the commit point.
  EXPECT_EQ(row.has_value() && row->state == TreeState::kReady, step >= 5);
  // The download is still there to be installed, up to the last step.
  EXPECT_THAT(PathExists(StagedPath("new")), IsOkAndHolds(step < 7));

  ASSERT_OK_AND_ASSIGN(const AgentRow installed, Install("new"));
  EXPECT_EQ(ReadTestFile(layout_.AgentTree(installed.id) + "/agent/version"),
            "new");
  EXPECT_THAT(PathExists(StagedPath("new")), IsOkAndHolds(false));
  ExpectConsistent();
}

TEST_P(AgentInstallCrashTest, IsMadeUpForWithoutARecovery) {
  DieAt(GetParam(), [this] { (void)Install("new"); });
  ASSERT_OK(Install("new"));
  ExpectConsistent();
}

TEST_P(AgentInstallCrashTest, AndTheLossOfTheIndexAreRecoveredTogether) {
  const int step = Step();
  DieAt(GetParam(), [this] { (void)Install("new"); });
  LoseIndex();
  // Only step 4 leaves something that could be in use.
  EXPECT_EQ(store_->Recover().ok(), step != 4);
  ASSERT_OK(index_->SetReconciled(kBootId));
  ASSERT_OK(store_->Recover());
  ExpectConsistent();
  ASSERT_OK_AND_ASSIGN(const auto row, index_->GetAgent(IdOf("new")));
  EXPECT_EQ(row.has_value(), step >= 5);
  // The mounter would fill the volumes again; the fixture looks for this one.
  ASSERT_OK(AcquireLease("volume", "other"));
}

class ConfigInstallCrashTest : public InstallCrashTest {};
INSTANTIATE_TEST_SUITE_P(Step, ConfigInstallCrashTest,
                         testing::ValuesIn(FailpointsOf("config")));

TEST_P(ConfigInstallCrashTest, LeavesAWholeLayerOrNone) {
  const int step = Step();
  DieAt(GetParam(), [this] { (void)InstallConf("new"); });
  ASSERT_OK(store_->Recover());
  ExpectConsistent();
  ASSERT_OK_AND_ASSIGN(const auto rows, index_->ListConfigs());
  EXPECT_EQ(rows.size(), step >= 5 ? 2u : 1u);
  ASSERT_OK_AND_ASSIGN(const ConfigRow row, InstallConf("new"));
  EXPECT_EQ(ReadTestFile(absl::StrCat(layout_.ConfigTree(row.id), "/",
                                      kProcessConfPath)),
            "new");
  ExpectConsistent();
}

class RemoveCrashTest : public InstallCrashTest {};
INSTANTIATE_TEST_SUITE_P(Step, RemoveCrashTest,
                         testing::ValuesIn(FailpointsOf("remove")));

TEST_P(RemoveCrashTest, LeavesAWholeAgentOrNone) {
  const int step = Step();
  ASSERT_OK(Install("old"));
  ASSERT_OK(index_->SetReconciled(kBootId));
  clock_.Advance(absl::Hours(1));
  DieAt(GetParam(), [this] {
    (void)store_->RemoveAgent(IdOf("old"), clock_.Now(), kBootId);
  });
  ASSERT_OK(store_->Recover());
  ExpectConsistent();
  // Adopted again as long as its manifest is there; then it goes for good.
  ASSERT_OK_AND_ASSIGN(const auto row, index_->GetAgent(IdOf("old")));
  EXPECT_EQ(row.has_value(), step < 2);
  EXPECT_THAT(store_->RemoveAgent(IdOf("old"), clock_.Now(), kBootId),
              IsOkAndHolds(step < 2));
  EXPECT_THAT(PathExists(layout_.AgentTree(IdOf("old"))), IsOkAndHolds(false));
  EXPECT_THAT(ListDirectory(layout_.TrashAgents()),
              IsOkAndHolds(testing::SizeIs(1)));
  ExpectConsistent();
}

TEST_P(RemoveCrashTest, LeavesAWholeLayerOrNone) {
  const int step = Step();
  ASSERT_OK_AND_ASSIGN(const ConfigRow old, InstallConf("old"));
  ASSERT_OK(index_->SetReconciled(kBootId));
  clock_.Advance(absl::Hours(1));
  DieAt(GetParam(),
        [&] { (void)store_->RemoveConfig(old.id, clock_.Now(), kBootId); });
  ASSERT_OK(store_->Recover());
  ExpectConsistent();
  EXPECT_THAT(store_->RemoveConfig(old.id, clock_.Now(), kBootId),
              IsOkAndHolds(step < 2));
  EXPECT_THAT(PathExists(layout_.ConfigTree(old.id)), IsOkAndHolds(false));
  ExpectConsistent();
}

class TenantCrashTest : public InstallCrashTest {
 protected:
  absl::StatusOr<CollectionResult> Collect() {
    Collector collector(*store_, *index_, clock_, kBootId, {});
    return collector.RunOnce(/*tenants_known=*/true);
  }
};
INSTANTIATE_TEST_SUITE_P(Step, TenantCrashTest,
                         testing::ValuesIn(FailpointsOf("tenant")));

TEST_P(TenantCrashTest, DeletedDynakubeGoesAllTheSame) {
  const TenantRow gone = {.dynakube = "dk",
                          .namespace_name = "dynatrace",
                          .updated_at = clock_.Now(),
                          .deleted_at = clock_.Now()};
  ASSERT_OK(WriteTenantRecord(layout_, gone));
  ASSERT_OK(index_->PutTenant(gone));
  ASSERT_OK(index_->SetReconciled(kBootId));
  clock_.Advance(absl::Hours(1));
  DieAt(GetParam(), [this] { (void)Collect(); });
  ASSERT_OK(store_->Recover());
  ASSERT_OK(Collect());
  EXPECT_THAT(PathExists(layout_.TenantRecord("dk")), IsOkAndHolds(false));
  ASSERT_OK_AND_ASSIGN(const auto row, index_->GetTenant("dk"));
  EXPECT_FALSE(row.has_value());
  ASSERT_OK_AND_ASSIGN(const auto other, index_->GetTenant("other"));
  EXPECT_TRUE(other.has_value());
  ExpectConsistent();
}

}  // namespace
}  // namespace oneagent
