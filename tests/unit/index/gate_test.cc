// How callers share the connection, and what a file that somebody keeps locked
// costs them.
#include "cache/index/gate.h"

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/call_deadline.h"
#include "base/durable_file.h"
#include "cache/index/sqlite.h"
#include "tests/unit/index/index_fixture.h"

namespace oneagent {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr auto kUnavailable = absl::StatusCode::kUnavailable;

// Whether another thread is let in (and out again).
bool IsLetIn(Gate& gate) {
  bool entered = false;
  std::thread([&] {
    if (!gate.Enter(absl::Milliseconds(20))) return;
    entered = true;
    gate.Leave();
  }).join();
  return entered;
}

TEST(GateTest, WhoGivesUpWaitingForATurnShutsTheGateForNobody) {
  Gate gate(absl::Hours(1));
  EXPECT_TRUE(IsLetIn(gate));
  gate.EnterUnchecked();
  EXPECT_FALSE(IsLetIn(gate));
  EXPECT_THAT(gate.Refusal(), StatusIs(kUnavailable, HasSubstr("no turn")));
  gate.Leave();
  EXPECT_TRUE(IsLetIn(gate));
}

TEST(GateTest, StaysShutUntilItIsOpenedAndSaysWhy) {
  Gate gate(absl::Hours(1));
  gate.Shut(absl::UnavailableError("locked"));
  EXPECT_FALSE(IsLetIn(gate));
  EXPECT_THAT(gate.Refusal(),
              StatusIs(kUnavailable, "locked (not tried again yet)"));
  gate.Open();
  EXPECT_TRUE(IsLetIn(gate));
}

TEST(GateTest, ShuttingSendsAwayWhoWaits) {
  Gate gate(absl::Hours(1));
  gate.EnterUnchecked();
  std::atomic<int> refused = 0;
  std::vector<std::thread> waiters;
  for (int i = 0; i < 3; ++i) {
    waiters.emplace_back([&] {
      if (gate.Enter(absl::InfiniteDuration())) {
        gate.Leave();
      } else {
        ++refused;
      }
    });
  }
  gate.Shut(absl::UnavailableError("locked"));
  for (std::thread& waiter : waiters) waiter.join();
  EXPECT_EQ(refused, 3);
  gate.Leave();
}

class BusyPauseTest : public IndexTest {
 protected:
  // A mounter's index, while somebody holds SQLite's write lock.
  void OpenLocked(absl::Duration pause) {
    ASSERT_OK_AND_ASSIGN(mounter_,
                         Index::Open({.data_dir = dir_.path(),
                                      .busy_timeout = absl::Milliseconds(50),
                                      .busy_pause = pause}));
    ASSERT_OK_AND_ASSIGN(Database holder,
                         Database::Open(layout_.IndexFile(),
                                        {.busy_timeout = absl::Seconds(5)}));
    holder_ = std::make_unique<Database>(std::move(holder));
    ASSERT_OK(holder_->Execute("BEGIN IMMEDIATE"));
  }
  void TearDown() override {
    holder_.reset();
    mounter_.reset();
    IndexTest::TearDown();
  }

  std::unique_ptr<Index> mounter_;
  std::unique_ptr<Database> holder_;
};

TEST_F(BusyPauseTest, AllCallersTogetherWaitForALockOnce) {
  OpenLocked(absl::Hours(1));
  constexpr int kCallers = 20;
  std::atomic<int> refused_at_once = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&, i] {
      const absl::Status status =
          mounter_->PutVolume(VolumeOf(absl::StrCat("v", i)));
      EXPECT_THAT(status, StatusIs(kUnavailable, HasSubstr("locked")));
      if (absl::StrContains(status.message(), "not tried again yet")) {
        ++refused_at_once;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(refused_at_once, kCallers - 1);
  // Also what would not need the lock, and also when it is free again.
  ASSERT_OK(holder_->Execute("ROLLBACK"));
  EXPECT_THAT(mounter_->ListVolumes(), StatusIs(kUnavailable));
}

TEST_F(BusyPauseTest, AfterThePauseTheIndexIsTriedAgain) {
  OpenLocked(absl::Milliseconds(1));
  EXPECT_THAT(mounter_->PutVolume(VolumeOf("v1")), StatusIs(kUnavailable));
  ASSERT_OK(holder_->Execute("ROLLBACK"));
  while (!mounter_->PutVolume(VolumeOf("v1")).ok()) std::this_thread::yield();
  EXPECT_OK(mounter_->ListVolumes());
}

TEST_F(BusyPauseTest, WithoutAPauseEachCallTriesForItself) {
  OpenLocked(absl::ZeroDuration());
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(mounter_->PutVolume(VolumeOf("v1")),
                StatusIs(kUnavailable, AllOf(HasSubstr("locked"),
                                             Not(HasSubstr("not tried")))));
  }
  ASSERT_OK(holder_->Execute("ROLLBACK"));
  EXPECT_OK(mounter_->PutVolume(VolumeOf("v1")));
}

// While a call is at work for long (here: in a rebuild), as each is where there
// is little CPU.
class LongCallTest : public IndexTest {
 protected:
  // Begins one, and returns once it is at work.
  void Begin() {
    ASSERT_OK_AND_ASSIGN(mounter_,
                         Index::Open({.data_dir = dir_.path(),
                                      .busy_timeout = absl::Milliseconds(1),
                                      .busy_pause = absl::Hours(1),
                                      .on_rebuilt = [this](auto, auto) {
                                        at_work_.set_value();
                                        let_go_.get_future().wait();
                                      }}));
    index_.reset();
    ASSERT_OK(RemoveFileIfPresent(layout_.IndexFile()));
    ASSERT_OK(WriteTenantRecord(layout_, TenantOf("dk", "")));
    long_call_ =
        std::thread([this] { EXPECT_OK(mounter_->PutVolume(VolumeOf("v1"))); });
    at_work_.get_future().wait();
  }
  void End() {
    let_go_.set_value();
    long_call_.join();
  }

  std::unique_ptr<Index> mounter_;
  std::promise<void> at_work_;
  std::promise<void> let_go_;
  std::thread long_call_;
};

TEST_F(LongCallTest, OthersWaitForItAsLongAsTheirOwnCallersWould) {
  Begin();
  std::thread patient(
      [&] { EXPECT_OK(mounter_->PutVolume(VolumeOf("patient"))); });
  {
    const CallDeadline soon(absl::Milliseconds(20));
    EXPECT_THAT(mounter_->PutVolume(VolumeOf("hurried")),
                StatusIs(kUnavailable, HasSubstr("no turn within")));
  }
  End();
  patient.join();
  EXPECT_OK(mounter_->ListVolumes());
}

TEST_F(IndexTest, FailuresOfAnotherBootDoNotCount) {
  VolumeRow volume = VolumeOf("v1");
  volume.attempts = 3;
  ASSERT_OK(index_->RecordFailure(volume, At(1)));
  volume.boot_id = "boot-2";
  volume.attempts = 1;
  ASSERT_OK_AND_ASSIGN(const VolumeRow row,
                       index_->RecordFailure(volume, At(1000)));
  EXPECT_EQ(row.attempts, 1);
  EXPECT_EQ(row.first_failure_at, At(1000));
}

}  // namespace
}  // namespace oneagent
