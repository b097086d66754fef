// Installing, finding, reading and removing: the store at work.
#include "cache/store/store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/failpoint.h"
#include "base/trash.h"
#include "cache/index/records.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/store/bare_process.h"
#include "tests/unit/store/store_fixture.h"

namespace oneagent {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const testing::Environment* const kBare = BareProcess::Install();

class StoreTest : public StoreFixture {
 protected:
  void TearDown() override { DisarmFailpoints(); }
};

TEST_F(StoreTest, IdentityNamesTheTree) {
  EXPECT_EQ(IdOf("1.2.3.4-5").size(), 16u);
  EXPECT_NE(AgentId({"zip", "1", "23", "x"}), AgentId({"zip", "12", "3", "x"}));
  EXPECT_NE(AgentId({"zip", "1", "x86", "default"}),
            AgentId({"image", "1", "x86", "default"}));
  // The name is on disk: another one would download everything again.
  EXPECT_EQ(AgentId({"zip", "1.301.0.20241105-123456", "x86", "multidistro"}),
            "2a2d22141f8ba205");
}

TEST_F(StoreTest, InstallsAnAgentWithTreeManifestAndRow) {
  const StagedArchive archive = Stage("1.2.3.4-5", AgentArchive("1.2.3.4-5"));
  ASSERT_OK_AND_ASSIGN(
      const AgentRow row,
      store_->InstallAgent(Identity("1.2.3.4-5"), archive, nullptr));
  EXPECT_EQ(row.id, IdOf("1.2.3.4-5"));
  EXPECT_EQ(row.version, "1.2.3.4-5");
  EXPECT_EQ(row.source, "https://tenant/1.2.3.4-5");
  EXPECT_EQ(row.digest, "sha256:" + archive.sha256);
  EXPECT_EQ(row.files, 4);
  EXPECT_EQ(row.installed_at, clock_.Now());
  EXPECT_EQ(ReadTestFile(layout_.AgentTree(row.id) + "/agent/version"),
            "1.2.3.4-5");
  EXPECT_THAT(PathExists(archive.path), IsOkAndHolds(false));
  ASSERT_OK_AND_ASSIGN(const auto indexed, index_->GetAgent(row.id));
  ASSERT_TRUE(indexed.has_value());
  EXPECT_EQ(*indexed, row);
  EXPECT_THAT(ReadAgentRecord(layout_, row.id), IsOkAndHolds(row));
  struct stat info;
  ASSERT_EQ(stat(layout_.AgentManifest(row.id).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  ExpectConsistent();
}

TEST_F(StoreTest, SecondInstallFindsTheFirstAndKeepsItsTree) {
  ASSERT_OK_AND_ASSIGN(const AgentRow first, Install("1"));
  struct stat before;
  ASSERT_EQ(stat(layout_.AgentTree(first.id).c_str(), &before), 0);
  clock_.Advance(absl::Hours(1));
  const StagedArchive garbage = {
      .path = dir_.WriteFile("data/staging/x.part", "no archive"),
      .source = "elsewhere",
      .sha256 = "00"};
  ASSERT_OK_AND_ASSIGN(const AgentRow second,
                       store_->InstallAgent(Identity("1"), garbage, nullptr));
  EXPECT_EQ(second.installed_at, first.installed_at);
  EXPECT_EQ(second.source, first.source);
  // Whoever asks is about to use it: the grace period starts anew.
  EXPECT_EQ(second.last_used_at, clock_.Now());
  EXPECT_THAT(PathExists(garbage.path), IsOkAndHolds(false));
  struct stat after;
  ASSERT_EQ(stat(layout_.AgentTree(first.id).c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST_F(StoreTest, AnArchiveThatIsNoAgentIsRefusedByName) {
  const auto install = [this](const ArchiveBuilder& archive) {
    return store_->InstallAgent(Identity("1"), Stage("1", archive), nullptr);
  };
  EXPECT_THAT(install(ArchiveBuilder().File("agent/version", "1")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "https://tenant/1: not an agent: no "
                       "agent/lib64/liboneagentproc.so"));
  const auto with_manifest = [](const std::string& path) {
    return ArchiveBuilder()
        .File("agent/lib/x.so", "elf")
        .File(
            "manifest.json",
            R"({"technologies": {"process": {"linux-x86-64": [)"
            R"({"path": "agent/other"}, {"binarytype": "primary", "path": ")" +
                path + R"("}], "windows": 5}}})");
  };
  EXPECT_THAT(install(with_manifest("agent/lib/y.so")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("not an agent: no agent/lib/y.so, which its "
                                 "manifest.json names as primary")));
  EXPECT_THAT(install(with_manifest("agent/lib")),
              StatusIs(absl::StatusCode::kInvalidArgument));
  ExpectConsistent();
  EXPECT_OK(install(with_manifest("agent/lib/x.so")));
  ExpectConsistent();
}

TEST_F(StoreTest, DamagedArchiveLeavesNothingBehind) {
  StagedArchive archive = Stage("1", AgentArchive("1"));
  ASSERT_EQ(truncate(archive.path.c_str(), 100), 0);
  EXPECT_THAT(
      store_->InstallAgent(Identity("1"), archive, nullptr),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(archive.path)));
  EXPECT_THAT(ListDirectory(layout_.StagingDir()), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(ListDirectory(layout_.AgentsDir()), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(index_->ListAgents(), IsOkAndHolds(IsEmpty()));
  EXPECT_OK(Install("1"));
}

TEST_F(StoreTest, FullDiskLeavesNothingBehind) {
  const Layout tiny(absl::StrCat(kTinyDisk, "/data"));
  ASSERT_OK(tiny.Prepare(Owner::kProvisioner));
  Store store(tiny, *index_, clock_, kBootId);
  ArchiveBuilder large = AgentArchive("1");
  large.File("agent/large", std::string(1 << 20, 'x'));
  EXPECT_THAT(
      store.InstallAgent(Identity("1"), Stage("1", large), nullptr),
      StatusIs(absl::StatusCode::kResourceExhausted,
               HasSubstr(tiny.StagingTree(IdOf("1")) + "/agent/large")));
  EXPECT_THAT(ListDirectory(tiny.StagingDir()), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(ListDirectory(tiny.AgentsDir()), IsOkAndHolds(IsEmpty()));
  ASSERT_OK(DeleteTree(tiny.data_dir()));
}

TEST_F(StoreTest, LeftoversOfAnEarlierAttemptDoNotMatter) {
  dir_.WriteFile("data/staging/" + IdOf("1") + "/agent/old", "x");
  dir_.WriteFile("data/staging/" + IdOf("1") + ".lifted/agent/old", "x");
  dir_.WriteFile("data/agents/" + IdOf("1") + "/agent/old", "x");
  ASSERT_OK(index_->SetReconciled(kBootId));
  ASSERT_OK(Install("1"));
  ExpectConsistent();
  EXPECT_THAT(ListDirectory(layout_.TrashAgents()), IsOkAndHolds(SizeIs(1)));
}

TEST_F(StoreTest, TreeWithoutManifestIsNotReplacedUnderItsPods) {
  ASSERT_OK_AND_ASSIGN(const AgentRow row, Install("1"));
  ASSERT_OK(SetCurrent("dk", row.id));
  ASSERT_OK(AcquireLease("v", "dk"));
  ASSERT_OK(RemoveFileIfPresent(layout_.AgentManifest(row.id)));
  EXPECT_THAT(Install("1"), StatusIs(absl::StatusCode::kFailedPrecondition,
                                     HasSubstr("its manifest is gone")));
  EXPECT_EQ(ReadTestFile(layout_.AgentTree(row.id) + "/agent/version"), "1");
}

TEST_F(StoreTest, InstallsConfigurationByItsContent) {
  ASSERT_OK_AND_ASSIGN(const ConfigRow a, InstallConf("a"));
  clock_.Advance(absl::Minutes(1));
  ASSERT_OK_AND_ASSIGN(const ConfigRow b, InstallConf("b"));
  ASSERT_OK_AND_ASSIGN(
      const ConfigRow again,
      store_->InstallConfig("other", {{kProcessConfPath, "a"}}));
  EXPECT_NE(a.id, b.id);
  EXPECT_EQ(again.id, a.id);
  EXPECT_EQ(again.dynakube, "dk");
  EXPECT_EQ(again.created_at, a.created_at);
  EXPECT_EQ(again.last_used_at, clock_.Now());
  const std::string file = layout_.ConfigTree(a.id) + "/" + kProcessConfPath;
  EXPECT_EQ(ReadTestFile(file), "a");
  struct stat info;
  ASSERT_EQ(stat(file.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0666u);
  ASSERT_EQ(stat((layout_.ConfigTree(a.id) + "/agent").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0755u);
  ExpectConsistent();
}

TEST_F(StoreTest, ConfigurationPathsAreChecked) {
  for (const char* const path : {"", "/a", "../a", "a/../b", "a//b", "a/"}) {
    EXPECT_THAT(store_->InstallConfig("dk", {{path, "x"}}),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << path;
  }
  EXPECT_THAT(store_->InstallConfig("dk", {}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ListDirectory(layout_.StagingDir()), IsOkAndHolds(IsEmpty()));
}

TEST_F(StoreTest, ReadsFilesOfAnAgentAndFollowsNoLink) {
  ASSERT_OK_AND_ASSIGN(const AgentRow row, Install("1"));
  EXPECT_THAT(store_->ReadAgentFile(row.id, "agent/version", 1),
              IsOkAndHolds("1"));
  EXPECT_THAT(store_->ReadAgentFile(row.id, "agent/version", 0),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(store_->ReadAgentFile(row.id, "agent/none", 1),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(store_->ReadAgentFile("0123456789abcdef", "agent/version", 1),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(store_->ReadAgentFile(row.id, "agent/link", 1),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(store_->ReadAgentFile(row.id, "agent/../../x", 1),
              testing::Not(IsOk()));
  EXPECT_THAT(store_->ReadAgentFile(row.id, "agent", 1),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(StoreTest, RemovesWhatIsUnusedIntoTheTrash) {
  ASSERT_OK_AND_ASSIGN(const AgentRow agent, Install("1"));
  ASSERT_OK_AND_ASSIGN(const ConfigRow config, InstallConf("a"));
  const absl::Time later = clock_.Now() + absl::Seconds(1);
  EXPECT_THAT(store_->RemoveAgent(agent.id, later, kBootId),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_OK(index_->SetReconciled(kBootId));
  EXPECT_THAT(store_->RemoveAgent(agent.id, clock_.Now(), kBootId),
              IsOkAndHolds(false));
  EXPECT_THAT(store_->RemoveAgent(agent.id, later, kBootId),
              IsOkAndHolds(true));
  EXPECT_THAT(store_->RemoveConfig(config.id, later, kBootId),
              IsOkAndHolds(true));
  EXPECT_THAT(store_->RemoveAgent(agent.id, later, kBootId),
              IsOkAndHolds(false));
  EXPECT_THAT(ListDirectory(layout_.AgentsDir()), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(ListDirectory(layout_.ConfigsDir()), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(ListDirectory(layout_.TrashAgents()),
              IsOkAndHolds(testing::UnorderedElementsAre(
                  testing::StartsWith(agent.id + "-"),
                  testing::StartsWith(config.id + "-"))));
}

TEST_F(StoreTest, LeasedAgentIsNotRemoved) {
  ASSERT_OK_AND_ASSIGN(const AgentRow agent, Install("1"));
  ASSERT_OK(SetCurrent("dk", agent.id));
  ASSERT_OK(AcquireLease("v", "dk"));
  ASSERT_OK_AND_ASSIGN(const AgentRow next, Install("2"));
  ASSERT_OK(SetCurrent("dk", next.id));
  ASSERT_OK(index_->SetReconciled(kBootId));
  EXPECT_THAT(store_->RemoveAgent(agent.id, absl::InfiniteFuture(), kBootId),
              IsOkAndHolds(false));
  ExpectConsistent();
}

TEST_F(StoreTest, TreeMovesOnlyAfterItsRowIsGone) {
  ASSERT_OK_AND_ASSIGN(const AgentRow agent, Install("1"));
  ASSERT_OK(SetCurrent("dk", agent.id));
  ASSERT_OK_AND_ASSIGN(const AgentRow next, Install("2"));
  ASSERT_OK(SetCurrent("dk", next.id));
  ASSERT_OK(index_->SetReconciled(kBootId));
  int seen = 0;
  ArmFailpoint("remove:1", [&] {
    ++seen;
    const auto row = index_->GetAgent(agent.id);
    ASSERT_OK(row);
    EXPECT_FALSE(row->has_value());
    EXPECT_THAT(PathExists(layout_.AgentManifest(agent.id)),
                IsOkAndHolds(true));
    EXPECT_THAT(PathExists(layout_.AgentTree(agent.id)), IsOkAndHolds(true));
    // From here on nobody can lease it any more: not by a tenant that would
    // name it, and so by no volume.
    EXPECT_THAT(SetCurrent("dk2", agent.id),
                StatusIs(absl::StatusCode::kFailedPrecondition));
  });
  ArmFailpoint("remove:2", [&] {
    ++seen;
    EXPECT_THAT(PathExists(layout_.AgentManifest(agent.id)),
                IsOkAndHolds(false));
    EXPECT_THAT(PathExists(layout_.AgentTree(agent.id)), IsOkAndHolds(true));
  });
  EXPECT_THAT(store_->RemoveAgent(agent.id, absl::InfiniteFuture(), kBootId),
              IsOkAndHolds(true));
  EXPECT_EQ(seen, 2);
}

}  // namespace
}  // namespace oneagent
