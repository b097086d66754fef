// Who else has the index open: readers beside the daemons, and processes that
// hold it locked.
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "cache/index/file_guard.h"
#include "cache/index/sqlite.h"
#include "tests/support/forked_peer.h"
#include "tests/unit/index/child.h"
#include "tests/unit/index/index_damage.h"
#include "tests/unit/index/index_fixture.h"

namespace oneagent {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::SizeIs;

class ReadOnlyIndexTest : public DamagedIndexTest {};

TEST_F(ReadOnlyIndexTest, NothingThereIsNotFoundAndNothingIsMade) {
  index_.reset();
  RemoveIndex();
  unlink(layout_.IndexLock().c_str());
  const std::vector<std::string> before = Names();
  EXPECT_THAT(OpenReadOnly(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(Names(), before);
}

TEST_F(ReadOnlyIndexTest, DamageIsSaidAndLeftAlone) {
  index_.reset();
  for (const bool empty : {true, false}) {
    empty ? Truncate(layout_.IndexFile(), 0) : Garbage(layout_.IndexFile());
    const std::string before = ReadTestFile(layout_.IndexFile());
    const std::vector<std::string> names = Names();
    EXPECT_THAT(OpenReadOnly(), StatusIs(absl::StatusCode::kDataLoss,
                                         HasSubstr("/index.db: ")));
    EXPECT_EQ(ReadTestFile(layout_.IndexFile()), before);
    EXPECT_EQ(Names(), names);
  }
}

TEST_F(ReadOnlyIndexTest, ReadsWhileADaemonWrites) {
  ASSERT_OK_AND_ASSIGN(const auto reader, OpenReadOnly());
  ASSERT_OK_AND_ASSIGN(const uint64_t before, reader->ChangeCount());
  PutReadyTenant();
  EXPECT_THAT(reader->ListAgents(),
              IsOkAndHolds(ElementsAre(Field(&AgentRow::id, "a1"))));
  EXPECT_THAT(reader->ChangeCount(), IsOkAndHolds(testing::Ne(before)));
}

TEST_F(ReadOnlyIndexTest, ReadsWithoutADaemonAndMakesNoFile) {
  PutReadyTenant();
  index_.reset();
  const std::vector<std::string> before = Names();
  ASSERT_OK_AND_ASSIGN(const auto reader, OpenReadOnly());
  EXPECT_THAT(reader->ListAgents(), IsOkAndHolds(SizeIs(1)));
  EXPECT_THAT(reader->ListTenants(), IsOkAndHolds(SizeIs(1)));
  EXPECT_EQ(Names(), before);
}

TEST_F(ReadOnlyIndexTest, SeesADaemonThatStartsLater) {
  index_.reset();
  ASSERT_OK_AND_ASSIGN(const auto reader, OpenReadOnly());
  EXPECT_THAT(reader->ListVolumes(), IsOkAndHolds(SizeIs(0)));
  Reopen();
  ASSERT_OK(index_->PutVolume(VolumeOf("v1")));
  EXPECT_THAT(reader->ListVolumes(), IsOkAndHolds(SizeIs(1)));
}

TEST_F(ReadOnlyIndexTest, ReadsWhatAKilledDaemonLeft) {
  index_.reset();
  EXPECT_EQ(InChild([&] {
              auto index = OpenAnother();
              if (!index.ok()) return 1;
              if (!(*index)->PutVolume(VolumeOf("v1")).ok()) return 2;
              _exit(0);
            }),
            0);
  const std::vector<std::string> before = Names();
  {
    ASSERT_OK_AND_ASSIGN(const auto reader, OpenReadOnly());
    EXPECT_THAT(reader->ListVolumes(), IsOkAndHolds(SizeIs(1)));
  }
  EXPECT_EQ(Names(), before);
  Reopen();
  EXPECT_THAT(index_->ListVolumes(), IsOkAndHolds(SizeIs(1)));
}

TEST_F(ReadOnlyIndexTest, FollowsAReplacement) {
  ASSERT_OK_AND_ASSIGN(const auto reader, OpenReadOnly());
  RemoveIndex();
  EXPECT_THAT(reader->ListVolumes(), StatusIs(absl::StatusCode::kUnavailable));
  ASSERT_OK(index_->PutVolume(VolumeOf("v1")));
  EXPECT_THAT(reader->ListVolumes(), IsOkAndHolds(SizeIs(1)));
}

TEST_F(ReadOnlyIndexTest, WritesNothing) {
  PutReadyTenant();
  Reconcile();
  ASSERT_OK_AND_ASSIGN(const auto reader, OpenReadOnly());
  const auto refused = StatusIs(absl::StatusCode::kFailedPrecondition,
                                HasSubstr("opened read-only"));
  EXPECT_THAT(reader->AcquireLease({.volume = VolumeOf("v1"), .now = At(1)}),
              refused);
  EXPECT_THAT(reader->PutAgent(AgentOf("a2", "2.0")), refused);
  EXPECT_THAT(reader->DeleteTenant("dk"), refused);
  EXPECT_THAT(reader->SetReconciled("boot-2"), refused);
  EXPECT_THAT(index_->ListAgents(), IsOkAndHolds(SizeIs(1)));
}

class LockedIndexTest : public IndexTest {
 protected:
  absl::StatusOr<std::unique_ptr<Index>> OpenImpatient() {
    return Index::Open(
        {.data_dir = dir_.path(), .busy_timeout = absl::Milliseconds(20)});
  }
};

TEST_F(LockedIndexTest, WriterHeldUpTooLongIsUnavailableAndReadersGoOn) {
  ASSERT_OK_AND_ASSIGN(const auto impatient, OpenImpatient());
  ASSERT_OK_AND_ASSIGN(
      Database holder,
      Database::Open(layout_.IndexFile(), {.busy_timeout = absl::Seconds(5)}));
  ASSERT_OK(holder.Execute("BEGIN IMMEDIATE"));
  EXPECT_THAT(impatient->PutVolume(VolumeOf("v1")),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("locked")));
  EXPECT_OK(impatient->ListVolumes());
  ASSERT_OK(holder.Execute("ROLLBACK"));
  EXPECT_OK(impatient->PutVolume(VolumeOf("v1")));
}

TEST_F(LockedIndexTest, WriterWaitsForAnotherProcess) {
  index_.reset();
  ForkedPeer child([&](Turns& test) {
    auto holder =
        Database::Open(layout_.IndexFile(), {.busy_timeout = absl::Seconds(5)});
    if (!holder.ok() || !holder->Execute("BEGIN IMMEDIATE").ok()) return 1;
    if (!holder->Execute("INSERT INTO meta VALUES ('x', 'y')").ok()) return 2;
    if (!test.Say()) return 3;
    // Long enough for the parent to run into the lock, most of the time; right
    // in any case.
    for (int i = 0; i < 1000; ++i) {
      if (!holder->QueryInt("SELECT count(*) FROM meta").ok()) return 4;
    }
    return holder->Execute("COMMIT").ok() ? 0 : 5;
  });
  ASSERT_OK_AND_ASSIGN(
      const auto patient,
      Index::Open({.data_dir = dir_.path(), .busy_timeout = absl::Minutes(1)}));
  ASSERT_TRUE(child.Hear());
  EXPECT_OK(patient->PutVolume(VolumeOf("v1")));
  EXPECT_EQ(child.Wait(), 0);
  EXPECT_THAT(patient->ListVolumes(), IsOkAndHolds(SizeIs(1)));
}

TEST_F(LockedIndexTest, RebuildOfAnotherProcessIsWaitedForOnlySoLong) {
  ASSERT_OK_AND_ASSIGN(const auto impatient, OpenImpatient());
  FileGuard holder(layout_.IndexLock(), FileGuard::Missing::kCreate,
                   absl::Seconds(5));
  ASSERT_OK(holder.Lock(FileGuard::Mode::kExclusive));
  EXPECT_THAT(impatient->ListVolumes(), StatusIs(absl::StatusCode::kUnavailable,
                                                 HasSubstr("index.lock")));
  EXPECT_THAT(OpenImpatient(), StatusIs(absl::StatusCode::kUnavailable));
  holder.Unlock();
  EXPECT_OK(impatient->ListVolumes());
}

TEST_F(LockedIndexTest, ReplacementWaitsForTransactionsInProgress) {
  ASSERT_OK_AND_ASSIGN(const auto impatient, OpenImpatient());
  FileGuard transaction(layout_.IndexLock(), FileGuard::Missing::kCreate,
                        absl::Seconds(5));
  ASSERT_OK(transaction.Lock(FileGuard::Mode::kShared));
  EXPECT_OK(impatient->ListVolumes());
  ASSERT_EQ(unlink(layout_.IndexFile().c_str()), 0);
  EXPECT_THAT(impatient->ListVolumes(),
              StatusIs(absl::StatusCode::kUnavailable));
  transaction.Unlock();
  EXPECT_OK(impatient->ListVolumes());
}

TEST_F(LockedIndexTest, ManyThreadsShareOneConnection) {
  PutReadyTenant();
  constexpr int kThreads = 8;
  constexpr int kRounds = 50;
  std::atomic<int> errors = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const std::string id = absl::StrCat("v", t);
      for (int i = 0; i < kRounds; ++i) {
        if (!Acquire(id).ok()) ++errors;
        if (!index_->MarkMounted(id, At(i)).ok()) ++errors;
        if (!index_->ReleaseLease(id, At(i)).ok()) ++errors;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(errors, 0);
  EXPECT_EQ(Agent("a1").leases, 0);
}

}  // namespace
}  // namespace oneagent
