// The shipped program beside another process that keeps the index locked.
#include <sys/mount.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cache/index/file_guard.h"
#include "cache/index/index.h"
#include "cache/index/layout.h"
#include "cache/index/sqlite.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/csi_client.h"
#include "tests/support/daemon.h"
#include "tests/support/private_mounts.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

constexpr int kPods = 100;
// What each call has; far more than they take, far less than what waiting for
// the lock one after the other would.
constexpr absl::Duration kPatience = absl::Seconds(30);

class MounterLockedIndexTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { EnterPrivateMountNamespace(); }

  void SetUp() override {
    dir_.MakeDir("kubelet/pods");
    daemon_ = std::make_unique<Daemon>(
        std::vector<std::string>{
            MOUNTER_BINARY, absl::StrCat("--endpoint=unix://", socket_),
            absl::StrCat("--data-dir=", layout_.data_dir()),
            absl::StrCat("--kubelet-dir=", dir_.Path("kubelet")),
            "--node-id=node-1"},
        dir_.Path("log"));
    TestCsiClient client(socket_, TestCsiClient::Connections::kOnePerCall);
    while (!client.Probe().ok()) {
      ASSERT_TRUE(daemon_->IsRunning()) << daemon_->Log();
    }
    for (int pod = 0; pod < kPods; ++pod) {
      calls_.push_back(KubeletPublishCall(
          dir_.Path("kubelet"),
          {.name = absl::StrCat("pod-", pod), .uid = absl::StrCat("uid-", pod)},
          "oneagent",
          {{"mode", "app"}, {"dynakube", "dk"}, {"retryTimeout", "0s"}}));
      MakeKubeletDirs(calls_.back().target_path);
    }
  }
  void TearDown() override {
    daemon_.reset();
    for (const CsiPublishCall& call : calls_) {
      umount2(call.target_path.c_str(), 0);
    }
  }

  // All at once, as after a node's restart.
  void PublishAll() {
    TestCsiClient client(socket_);
    client.SetTimeout(kPatience);
    std::vector<std::thread> callers;
    for (const CsiPublishCall& call : calls_) {
      callers.emplace_back([&] { EXPECT_OK(client.Publish(call)); });
    }
    for (std::thread& caller : callers) caller.join();
  }
  void ExpectUnpublishAndStatsWork() {
    TestCsiClient client(socket_);
    client.SetTimeout(kPatience);
    const CsiPublishCall& gone = calls_[0];
    EXPECT_OK(client.Unpublish(gone.volume_id, gone.target_path));
    const CsiPublishCall& there = calls_[1];
    ASSERT_OK_AND_ASSIGN(
        const CsiVolumeStats stats,
        client.GetVolumeStats(there.volume_id, there.target_path));
    EXPECT_TRUE(stats.is_abnormal);
  }
  // Rows and notices of all but the one that was unpublished.
  void ExpectRecorded() {
    ASSERT_OK_AND_ASSIGN(
        const auto index,
        Index::Open({.data_dir = layout_.data_dir(), .read_only = true}));
    constexpr size_t kWant = kPods - 1;
    for (size_t rows = 0; rows < kWant; std::this_thread::yield()) {
      ASSERT_TRUE(daemon_->IsRunning());
      ASSERT_OK_AND_ASSIGN(const auto volumes, index->ListVolumes());
      rows = volumes.size();
    }
    ASSERT_OK_AND_ASSIGN(const auto volumes, index->ListVolumes());
    for (const VolumeRow& row : volumes) {
      EXPECT_EQ(row.state, VolumeState::kEmpty) << row.id;
    }
    EXPECT_THAT(index->ListNotices(), IsOkAndHolds(testing::SizeIs(kWant)));
  }

  TempDir dir_;
  const Layout layout_{dir_.Path("data")};
  const std::string socket_ = dir_.Path("csi.sock");
  std::unique_ptr<Daemon> daemon_;
  std::vector<CsiPublishCall> calls_;
};

TEST_F(MounterLockedIndexTest, OpenTransactionOfAnotherProcessHoldsUpNoPod) {
  ASSERT_OK_AND_ASSIGN(
      Database holder,
      Database::Open(layout_.IndexFile(), {.busy_timeout = absl::Seconds(5)}));
  ASSERT_OK(holder.Execute("BEGIN IMMEDIATE"));
  PublishAll();
  ExpectUnpublishAndStatsWork();
  ASSERT_OK(holder.Execute("ROLLBACK"));
  ExpectRecorded();
}

TEST_F(MounterLockedIndexTest, RebuildThatNeverEndsHoldsUpNoPod) {
  FileGuard holder(layout_.IndexLock(), FileGuard::Missing::kCreate,
                   absl::Seconds(5));
  ASSERT_OK(holder.Lock(FileGuard::Mode::kExclusive));
  PublishAll();
  ExpectUnpublishAndStatsWork();
  holder.Unlock();
  ExpectRecorded();
}

}  // namespace
}  // namespace oneagent
