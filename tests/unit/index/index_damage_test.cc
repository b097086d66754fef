// What happens to the index file, and what the index makes of it: missing,
// damaged, newer, replaced under a process that has it open.
#include "tests/unit/index/index_damage.h"

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cache/index/file_guard.h"
#include "tests/support/forked_peer.h"
#include "tests/unit/index/child.h"
#include "tests/unit/index/index_fixture.h"

namespace oneagent {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Ne;
using testing::SizeIs;

class IndexDamageTest : public DamagedIndexTest {};

TEST_F(IndexDamageTest, FirstStartIsNoRebuild) {
  EXPECT_THAT(rebuilds_, IsEmpty());
  EXPECT_EQ(ModeOf(layout_.IndexFile()), 0600U);
  EXPECT_EQ(ModeOf(layout_.IndexFile() + "-wal"), 0600U);
  EXPECT_EQ(ModeOf(layout_.IndexLock()), 0600U);
  Reopen();
  EXPECT_THAT(rebuilds_, IsEmpty());
}

TEST_F(IndexDamageTest, MissingFileIsFilledFromTheRecords) {
  WriteRecords();
  index_.reset();
  RemoveIndex();
  Reopen();
  ExpectRowsOfRecords();
  ASSERT_THAT(rebuilds_, SizeIs(1));
  EXPECT_EQ(rebuilds_[0].set_aside, "");
  EXPECT_THAT(rebuilds_[0].cause, HasSubstr("index.db: is missing"));
}

TEST_F(IndexDamageTest, DamagedFileIsSetAsideAndRebuilt) {
  struct Case {
    const char* name;
    void (*damage)(const std::string& path);
  };
  const Case kCases[] = {
      {"garbage", [](const std::string& path) { Garbage(path); }},
      {"zero bytes", [](const std::string& path) { Truncate(path, 0); }},
      {"half a page", [](const std::string& path) { Truncate(path, 2048); }},
      {"cut in the middle",
       [](const std::string& path) { Truncate(path, 3 * int64_t{4096}); }},
      {"second page on overwritten",
       [](const std::string& path) { Scribble(path, 4096); }},
      {"somebody else's database",
       [](const std::string& path) {
         unlink(path.c_str());
         Sql(path, "CREATE TABLE recipes (name TEXT)");
       }},
      {"tables are gone",
       [](const std::string& path) { Sql(path, "DROP TABLE volumes"); }},
      {"schema version 0",
       [](const std::string& path) { Sql(path, "PRAGMA user_version = 0"); }},
      {"dangling lease",
       [](const std::string& path) {
         Sql(path, "PRAGMA foreign_keys = OFF; DELETE FROM agents");
       }},
  };
  WriteRecords();
  for (const Case& test : kCases) {
    SCOPED_TRACE(test.name);
    ASSERT_OK(index_->PutVolume(VolumeOf("v1")));
    ASSERT_OK(index_->PutAgent(AgentOf("a1", "1.0")));
    ASSERT_OK(index_->PutTenant(TenantOf("dk", "a1")));
    Reconcile();
    index_.reset();
    rebuilds_.clear();
    EXPECT_EQ(InChild([&] {
                test.damage(layout_.IndexFile());
                return 0;
              }),
              0);
    const std::string damaged = ReadTestFile(layout_.IndexFile());

    Reopen();

    ASSERT_THAT(rebuilds_, SizeIs(1));
    EXPECT_THAT(rebuilds_[0].set_aside, HasSubstr("/index.db.damaged-20"));
    EXPECT_EQ(ReadTestFile(rebuilds_[0].set_aside), damaged);
    EXPECT_THAT(rebuilds_[0].cause, HasSubstr("/index.db: "));
    ExpectRowsOfRecords();
    EXPECT_THAT(index_->ListVolumes(), IsOkAndHolds(IsEmpty()));
    EXPECT_THAT(index_->ReconciledBootId(), IsOkAndHolds(""));
  }
}

TEST_F(IndexDamageTest, BrokenRecordsAreSkippedAndSaid) {
  WriteRecords();
  dir_.WriteFile("agents/broken.json", "{");
  dir_.WriteFile("configs/misnamed.json", "{\"id\": \"other\"}");
  dir_.WriteFile("tenants/odd.json", "{\"dynakube\": \"odd\"}");
  dir_.WriteFile("agents/.a9.json.tmp-1-1", "half a record");
  index_.reset();
  RemoveIndex();
  Reopen();
  ExpectRowsOfRecords();
  ASSERT_THAT(rebuilds_, SizeIs(1));
  EXPECT_THAT(rebuilds_[0].cause, HasSubstr("records skipped: 3, first "));
  EXPECT_THAT(rebuilds_[0].cause, HasSubstr("agents/broken.json"));
}

TEST_F(IndexDamageTest, AtMostThreeDamagedFilesAreKept) {
  std::vector<std::string> set_aside;
  for (int i = 0; i < 5; ++i) {
    index_.reset();
    dir_.WriteFile("index.db", absl::StrCat("garbage ", i));
    dir_.WriteFile("index.db-wal", "");
    Reopen();
    set_aside.push_back(rebuilds_.back().set_aside);
  }
  std::vector<std::string> found;
  for (const std::string& name : Names()) {
    if (name.find("damaged") != std::string::npos) {
      found.push_back(dir_.Path(name));
    }
  }
  EXPECT_THAT(found, ElementsAre(set_aside[2], set_aside[2] + "-wal",
                                 set_aside[3], set_aside[3] + "-wal",
                                 set_aside[4], set_aside[4] + "-wal"));
}

TEST_F(IndexDamageTest, NewerSchemaIsRefusedAndNotTouched) {
  PutReadyTenant();
  index_.reset();
  Sql(layout_.IndexFile(), "PRAGMA user_version = 99");
  const std::string before = ReadTestFile(layout_.IndexFile());
  EXPECT_THAT(OpenAnother(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                      HasSubstr("schema version 99 is newer")));
  EXPECT_THAT(OpenReadOnly(), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(ReadTestFile(layout_.IndexFile()), before);
  EXPECT_THAT(rebuilds_, IsEmpty());
}

TEST_F(IndexDamageTest, DirectoryInItsPlaceWhileOpenIsUnavailable) {
  RemoveIndex();
  dir_.MakeDir("index.db");
  EXPECT_THAT(index_->ListAgents(), StatusIs(absl::StatusCode::kUnavailable));
  rmdir(layout_.IndexFile().c_str());
  EXPECT_OK(index_->ListAgents());
}

TEST_F(IndexDamageTest, MissingDataDirectoryIsUnavailableUntilItIsThere) {
  const std::string later = dir_.Path("later");
  EXPECT_THAT(Index::Open({.data_dir = later}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(later)));
  ASSERT_OK_AND_ASSIGN(const auto index,
                       Index::Open({.data_dir = later, .open_unusable = true}));
  EXPECT_THAT(index->AcquireLease({.volume = VolumeOf("v1"), .now = At(1)}),
              StatusIs(absl::StatusCode::kUnavailable));
  dir_.MakeDir("later");
  EXPECT_OK(index->PutVolume(VolumeOf("v1")));
  EXPECT_OK(index->SetReconciled(kBoot));
}

TEST_F(IndexDamageTest, RemovedUnderAProcessItIsRebuiltAtTheNextCall) {
  WriteRecords();
  ASSERT_OK_AND_ASSIGN(const uint64_t before, index_->ChangeCount());
  RemoveIndex();
  ExpectRowsOfRecords();
  ASSERT_THAT(rebuilds_, SizeIs(1));
  EXPECT_THAT(index_->ChangeCount(), IsOkAndHolds(Ne(before)));
}

TEST_F(IndexDamageTest, OverwrittenUnderAProcessItIsRebuiltAtTheNextCall) {
  WriteRecords();
  for (const bool empty : {false, true}) {
    SCOPED_TRACE(empty ? "truncated" : "garbage");
    ASSERT_OK(index_->PutVolume(VolumeOf("v1")));
    rebuilds_.clear();
    InChild([&] {
      empty ? Truncate(layout_.IndexFile(), 0) : Garbage(layout_.IndexFile());
      return 0;
    });
    EXPECT_THAT(index_->ListVolumes(), IsOkAndHolds(IsEmpty()));
    ExpectRowsOfRecords();
    ASSERT_THAT(rebuilds_, SizeIs(1));
    // As it was found: closing it wrote nothing into it.
    const bool untouched = ReadTestFile(rebuilds_[0].set_aside) ==
                           (empty ? "" : std::string(20000, 'g'));
    EXPECT_TRUE(untouched);
  }
}

TEST_F(IndexDamageTest, DamageThatOnlySqliteSeesIsSetAsideAndTheCallRepeated) {
  WriteRecords();
  for (int i = 0; i < 200; ++i) {
    ASSERT_OK(index_->PutVolume(VolumeOf(absl::StrCat("v", i))));
  }
  // Another process moves everything into the main file, makes our cached
  // pages stale, and scribbles over all but the first page.
  InChild([&] {
    Sql(layout_.IndexFile(),
        "PRAGMA wal_checkpoint(TRUNCATE);"
        "INSERT INTO meta VALUES ('x', 'y');"
        "PRAGMA wal_checkpoint(TRUNCATE)");
    Scribble(layout_.IndexFile(), 4096);
    return 0;
  });
  EXPECT_THAT(index_->ListVolumes(), IsOkAndHolds(IsEmpty()));
  ASSERT_THAT(rebuilds_, SizeIs(1));
  EXPECT_THAT(rebuilds_[0].cause, HasSubstr("malformed"));
  ExpectRowsOfRecords();
}

TEST_F(IndexDamageTest, ReconcileDoesNotVouchForAnotherFile) {
  ASSERT_OK(index_->BeginReconcile());
  ASSERT_OK(index_->PutVolume(VolumeOf("v1")));
  RemoveIndex();
  EXPECT_THAT(index_->SetReconciled(kBoot),
              StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(index_->ReconciledBootId(), IsOkAndHolds(""));
  ASSERT_OK(index_->BeginReconcile());
  EXPECT_OK(index_->SetReconciled(kBoot));
}

TEST_F(IndexDamageTest, NoticeNumbersOfAReplacedFileAreNotReused) {
  ASSERT_OK(index_->MarkEmpty(VolumeOf("v1"), At(0)));
  ASSERT_OK_AND_ASSIGN(const auto old, index_->ListNotices());
  RemoveIndex();
  ASSERT_OK(index_->MarkEmpty(VolumeOf("v2"), At(0)));
  ASSERT_OK(index_->DeleteNotices(old[0].seq));
  EXPECT_THAT(index_->ListNotices(), IsOkAndHolds(SizeIs(1)));
}

TEST_F(IndexDamageTest, RowsOfAKilledProcessAreThere) {
  index_.reset();
  EXPECT_EQ(InChild([&] {
              auto index = OpenAnother();
              if (!index.ok()) return 1;
              if (!(*index)->PutVolume(VolumeOf("v1")).ok()) return 2;
              _exit(0);  // neither closed nor checkpointed
            }),
            0);
  Reopen();
  EXPECT_EQ(Volume("v1").id, "v1");
  EXPECT_THAT(rebuilds_, IsEmpty());
}

TEST_F(IndexDamageTest, LogOfARemovedFileIsNotReplayedIntoTheNewOne) {
  index_.reset();
  EXPECT_EQ(InChild([&] {
              auto index = OpenAnother();
              if (!index.ok()) return 1;
              if (!(*index)->PutVolume(VolumeOf("ghost")).ok()) return 2;
              _exit(0);
            }),
            0);
  ASSERT_TRUE(std::filesystem::exists(layout_.IndexFile() + "-wal"));
  RemoveIndex();
  Reopen();
  EXPECT_THAT(index_->ListVolumes(), IsOkAndHolds(IsEmpty()));
}

TEST_F(IndexDamageTest, BothSidesOfAReplacementEndOnTheSameFile) {
  for (const bool remove : {true, false}) {
    SCOPED_TRACE(remove ? "removed" : "overwritten");
    ASSERT_OK_AND_ASSIGN(const auto other, OpenAnother());
    ASSERT_OK(other->PutVolume(VolumeOf("v1")));
    remove ? RemoveIndex() : Garbage(layout_.IndexFile());

    ASSERT_OK(index_->PutVolume(VolumeOf("mine")));
    ASSERT_OK(other->PutVolume(VolumeOf("theirs")));

    const auto both = ElementsAre(Field(&VolumeRow::id, "mine"),
                                  Field(&VolumeRow::id, "theirs"));
    EXPECT_THAT(index_->ListVolumes(), IsOkAndHolds(both));
    EXPECT_THAT(other->ListVolumes(), IsOkAndHolds(both));
    ASSERT_OK(index_->ReleaseLease("mine", At(1)));
    ASSERT_OK(other->ReleaseLease("theirs", At(1)));
  }
}

TEST_F(IndexDamageTest, CloseOfAReplacedFileLeavesTheNewOnesLogAlone) {
  ASSERT_OK_AND_ASSIGN(auto other, OpenAnother());
  ASSERT_OK(other->PutVolume(VolumeOf("v1")));
  RemoveIndex();
  ASSERT_OK(index_->PutVolume(VolumeOf("mine")));
  other.reset();  // still on the old file
  EXPECT_TRUE(std::filesystem::exists(layout_.IndexFile() + "-wal"));
  EXPECT_EQ(Volume("mine").id, "mine");
  Reopen();
  EXPECT_EQ(Volume("mine").id, "mine");
}

TEST_F(IndexDamageTest, AnotherProcessFollowsAReplacement) {
  index_.reset();
  ForkedPeer child([&](Turns& test) {
    const auto index = OpenAnother();
    if (!index.ok() || !(*index)->PutVolume(VolumeOf("old")).ok()) return 1;
    if (!test.Say() || !test.Hear()) return 2;
    // The parent has replaced the file by now.
    return (*index)->PutVolume(VolumeOf("theirs")).ok() ? 0 : 3;
  });
  ASSERT_TRUE(child.Hear());
  RemoveIndex();
  Reopen();
  ASSERT_OK(index_->PutVolume(VolumeOf("mine")));
  ASSERT_TRUE(child.Say());
  EXPECT_EQ(child.Wait(), 0);
  EXPECT_THAT(index_->ListVolumes(),
              IsOkAndHolds(ElementsAre(Field(&VolumeRow::id, "mine"),
                                       Field(&VolumeRow::id, "theirs"))));
}

TEST_F(IndexDamageTest, ManyOpenersOfAMissingFileMakeOne) {
  WriteRecords();
  index_.reset();
  RemoveIndex();
  FileGuard start(layout_.IndexLock(), FileGuard::Missing::kCreate,
                  absl::Seconds(5));
  ASSERT_OK(start.Lock(FileGuard::Mode::kExclusive));
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    children.push_back(StartChild([&] {
      const auto index = Index::Open(
          {.data_dir = dir_.path(), .busy_timeout = absl::Minutes(1)});
      if (!index.ok()) return 1;
      return (*index)->PutVolume(VolumeOf(absl::StrCat("v", i))).ok() ? 0 : 2;
    }));
  }
  start.Unlock();
  for (const pid_t child : children) EXPECT_EQ(WaitForChild(child), 0);
  Reopen();
  EXPECT_THAT(index_->ListVolumes(), IsOkAndHolds(SizeIs(4)));
  ExpectRowsOfRecords();
  EXPECT_THAT(rebuilds_, IsEmpty());
}

TEST_F(IndexDamageTest, RemovedLockFileIsMadeAgain) {
  unlink(layout_.IndexLock().c_str());
  EXPECT_OK(index_->PutVolume(VolumeOf("v1")));
  EXPECT_TRUE(std::filesystem::exists(layout_.IndexLock()));
}

}  // namespace
}  // namespace oneagent
