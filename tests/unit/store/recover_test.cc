// Store::Recover against every mismatch of tree, manifest, row and staging.
#include <fcntl.h>
#include <sys/stat.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/trash.h"
#include "cache/store/store.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/store/bare_process.h"
#include "tests/unit/store/store_fixture.h"

namespace oneagent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const testing::Environment* const kBare = BareProcess::Install();

class RecoverTest : public StoreFixture {
 protected:
  std::string InstallCurrent(const std::string& version) {
    const auto row = Install(version);
    EXPECT_OK(row);
    if (!row.ok()) return "";
    EXPECT_OK(SetCurrent("dk", row->id));
    return row->id;
  }
  TreeState StateOf(const std::string& id) {
    const auto row = index_->GetAgent(id);
    EXPECT_TRUE(row.ok() && row->has_value()) << id;
    return row.ok() && row->has_value() ? (*row)->state : TreeState::kMissing;
  }
  static void SetAge(const std::string& path, absl::Time now,
                     absl::Duration age) {
    const struct timespec time = absl::ToTimespec(now - age);
    const struct timespec times[2] = {time, time};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
};

TEST_F(RecoverTest, NothingToDoChangesNothing) {
  const std::string id = InstallCurrent("1");
  ASSERT_OK(InstallConf("a"));
  ASSERT_OK_AND_ASSIGN(const auto before, index_->GetAgent(id));
  Reopen();
  ASSERT_OK(store_->Recover());
  EXPECT_THAT(index_->GetAgent(id), IsOkAndHolds(before));
  EXPECT_THAT(ListDirectory(layout_.TrashAgents()), IsOkAndHolds(IsEmpty()));
  ExpectConsistent();
}

TEST_F(RecoverTest, LostIndexIsFilledFromTheManifests) {
  ASSERT_OK_AND_ASSIGN(const AgentRow agent, Install("1"));
  ASSERT_OK_AND_ASSIGN(const ConfigRow config, InstallConf("a"));
  LoseIndex();
  ASSERT_OK(store_->Recover());
  EXPECT_THAT(index_->ListAgents(), IsOkAndHolds(ElementsAre(agent)));
  EXPECT_THAT(index_->ListConfigs(), IsOkAndHolds(ElementsAre(config)));
}

TEST_F(RecoverTest, ManifestWithoutARowIsAdopted) {
  // Another index, whose rows this directory's manifests lack.
  ASSERT_OK_AND_ASSIGN(const AgentRow agent, Install("1"));
  ASSERT_OK_AND_ASSIGN(const ConfigRow config, InstallConf("a"));
  ASSERT_OK(index_->SetReconciled(kBootId));
  ASSERT_THAT(
      index_->DeleteAgentIfUnused(agent.id, absl::InfiniteFuture(), kBootId),
      IsOkAndHolds(true));
  ASSERT_THAT(
      index_->DeleteConfigIfUnused(config.id, absl::InfiniteFuture(), kBootId),
      IsOkAndHolds(true));
  ASSERT_OK(store_->Recover());
  EXPECT_THAT(index_->ListAgents(), IsOkAndHolds(ElementsAre(agent)));
  EXPECT_THAT(index_->ListConfigs(), IsOkAndHolds(ElementsAre(config)));
}

TEST_F(RecoverTest, TreeWithoutManifestAndRowIsSwept) {
  dir_.WriteFile("data/agents/0123456789abcdef/agent/x", "x");
  dir_.WriteFile("data/configs/0123456789abcdef/agent/x", "x");
  dir_.WriteFile("data/agents/.0123456789abcdef.json.tmp-7-0", "{");
  ASSERT_OK(index_->SetReconciled(kBootId));
  ASSERT_OK(store_->Recover());
  EXPECT_THAT(ListDirectory(layout_.AgentsDir()), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(ListDirectory(layout_.ConfigsDir()), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(ListDirectory(layout_.TrashAgents()), IsOkAndHolds(SizeIs(2)));
}

TEST_F(RecoverTest, DamagedManifestWithoutARowIsSweptWithItsTree) {
  dir_.WriteFile("data/agents/0123456789abcdef/agent/x", "x");
  dir_.WriteFile("data/agents/0123456789abcdef.json", "not json");
  ASSERT_OK(index_->SetReconciled(kBootId));
  ASSERT_OK(store_->Recover());
  EXPECT_THAT(ListDirectory(layout_.AgentsDir()), IsOkAndHolds(IsEmpty()));
}

TEST_F(RecoverTest, NothingIsSweptBeforeTheMounterHasSaidWhatIsMounted) {
  const std::string id = InstallCurrent("1");
  ASSERT_OK_AND_ASSIGN(const ConfigRow config, InstallConf("a"));
  ASSERT_OK_AND_ASSIGN(const Lease lease, AcquireLease("v", "dk"));
  ASSERT_OK(index_->SetReconciled("boot-0"));
  dir_.WriteFile("data/agents/" + id + ".json", "damaged");
  ASSERT_OK(RemoveFileIfPresent(layout_.ConfigManifest(config.id)));
  LoseIndex();
  const auto refused =
      StatusIs(absl::StatusCode::kFailedPrecondition,
               testing::AllOf(HasSubstr(id), HasSubstr("reconciled")));
  EXPECT_THAT(store_->Recover(), refused);
  EXPECT_THAT(Install("1"), refused);
  EXPECT_THAT(InstallConf("a"),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_OK(index_->SetReconciled("boot-0"));  // before the last boot
  EXPECT_THAT(store_->Recover(), refused);
  EXPECT_EQ(ReadTestFile(layout_.AgentTree(id) + "/agent/version"), "1");
  EXPECT_THAT(PathExists(layout_.ConfigTree(config.id)), IsOkAndHolds(true));

  // The mounter finds the volume, and with it the lease; nobody has the layer.
  ASSERT_OK(index_->PutVolume(lease.row));
  ASSERT_OK(index_->SetReconciled(kBootId));
  EXPECT_THAT(store_->Recover(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                          HasSubstr("1 volumes use it")));
  EXPECT_EQ(ReadTestFile(layout_.AgentTree(id) + "/agent/version"), "1");
  EXPECT_THAT(PathExists(layout_.ConfigTree(config.id)), IsOkAndHolds(false));
  ASSERT_OK(index_->ReleaseLease("v", clock_.Now()));
  ASSERT_OK(Install("1"));
  ASSERT_OK(InstallConf("a"));
  ExpectConsistent();
}

TEST_F(RecoverTest, ARowWithoutLeasesIsNoProofBeforeTheMounterHasReconciled) {
  const std::string id = InstallCurrent("1");
  ASSERT_OK(RemoveFileIfPresent(layout_.AgentManifest(id)));
  dir_.WriteFile("data/agents/" + id + "/agent/more", "x");
  EXPECT_THAT(store_->Recover(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(id)));
  EXPECT_THAT(PathExists(layout_.AgentTree(id)), IsOkAndHolds(true));
  EXPECT_EQ(StateOf(id), TreeState::kReady);
}

TEST_F(RecoverTest, WhatCannotBeInstalledYetKeepsItsDownload) {
  dir_.WriteFile("data/agents/" + IdOf("1") + "/agent/x", "x");
  EXPECT_THAT(Install("1"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(PathExists(StagedPath("1")), IsOkAndHolds(true));
}

TEST_F(RecoverTest, NamesThatAreNotOursStay) {
  dir_.WriteFile("data/agents/lost+found/x", "x");
  dir_.WriteFile("data/agents/notes.txt", "x");
  ASSERT_OK(store_->Recover());
  EXPECT_THAT(ListDirectory(layout_.AgentsDir()),
              IsOkAndHolds(ElementsAre("lost+found", "notes.txt")));
}

TEST_F(RecoverTest, RowWithoutTreeIsMissingUntilItIsInstalledAgain) {
  const std::string id = InstallCurrent("1");
  ASSERT_OK(AcquireLease("v", "dk"));
  ASSERT_OK(DeleteTree(layout_.AgentTree(id)));
  ASSERT_OK(store_->Recover());
  EXPECT_EQ(StateOf(id), TreeState::kMissing);
  EXPECT_THAT(PathExists(layout_.AgentManifest(id)), IsOkAndHolds(false));
  ExpectConsistent();
  ASSERT_OK(Install("1"));
  EXPECT_EQ(StateOf(id), TreeState::kReady);
  ExpectConsistent();
}

TEST_F(RecoverTest, MissingTreeThatCameBackIsReady) {
  const std::string id = InstallCurrent("1");
  ASSERT_OK(index_->SetAgentState(id, TreeState::kMissing));
  ASSERT_OK(store_->Recover());
  EXPECT_EQ(StateOf(id), TreeState::kReady);
}

TEST_F(RecoverTest, LostManifestOfAWholeTreeIsWrittenAgain) {
  const std::string id = InstallCurrent("1");
  ASSERT_OK_AND_ASSIGN(const ConfigRow config, InstallConf("a"));
  ASSERT_OK_AND_ASSIGN(const auto before, index_->GetAgent(id));
  for (const std::string& manifest :
       {layout_.AgentManifest(id), layout_.ConfigManifest(config.id)}) {
    const std::string was = ReadTestFile(manifest);
    ASSERT_OK(RemoveFileIfPresent(manifest));
    ASSERT_OK(store_->Recover());
    EXPECT_EQ(ReadTestFile(manifest), was);
  }
  EXPECT_THAT(index_->GetAgent(id), IsOkAndHolds(before));
  ExpectConsistent();
}

TEST_F(RecoverTest, ChangedTreeWithoutManifestStaysWhileItIsLeased) {
  const std::string id = InstallCurrent("1");
  ASSERT_OK(AcquireLease("v", "dk"));
  ASSERT_OK(RemoveFileIfPresent(layout_.AgentManifest(id)));
  dir_.WriteFile("data/agents/" + id + "/agent/more", "x");
  ASSERT_OK(InstallConf("a"));
  EXPECT_THAT(store_->Recover(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                          HasSubstr(layout_.AgentTree(id))));
  EXPECT_EQ(ReadTestFile(layout_.AgentTree(id) + "/agent/version"), "1");
  ASSERT_OK(index_->ReleaseLease("v", clock_.Now()));
  ASSERT_OK(index_->SetReconciled(kBootId));
  ASSERT_OK(store_->Recover());
  EXPECT_EQ(StateOf(id), TreeState::kMissing);
  ExpectConsistent();
}

TEST_F(RecoverTest, OneBadEntryDoesNotStopTheOthers) {
  dir_.WriteFile("data/agents/0123456789abcdef/x", "x");
  dir_.MakeDir("data/agents/0123456789abcdef.json");
  ASSERT_OK(index_->SetReconciled(kBootId));
  dir_.WriteFile("data/agents/fedcba9876543210/x", "x");
  EXPECT_THAT(store_->Recover(), testing::Not(IsOk()));
  EXPECT_THAT(PathExists(layout_.AgentTree("fedcba9876543210")),
              IsOkAndHolds(false));
}

TEST_F(RecoverTest, YoungDownloadsSurviveForResume) {
  const std::string young = dir_.WriteFile("data/staging/a.part", "x");
  const std::string tag = dir_.WriteFile("data/staging/a.part.etag", "x");
  const std::string old = dir_.WriteFile("data/staging/b.part", "x");
  const std::string tree = dir_.WriteFile("data/staging/c/agent/x", "x");
  const std::string lifted = dir_.WriteFile("data/staging/c.lifted/x", "x");
  for (const std::string& path : {young, tag}) {
    SetAge(path, clock_.Now(), absl::Hours(23));
  }
  SetAge(old, clock_.Now(), absl::Hours(25));
  ASSERT_OK(store_->Recover());
  EXPECT_THAT(ListDirectory(layout_.StagingDir()),
              IsOkAndHolds(ElementsAre("a.part", "a.part.etag")));
}

}  // namespace
}  // namespace oneagent
