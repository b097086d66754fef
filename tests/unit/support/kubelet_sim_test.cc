// The simulator with a driver whose answers are scripted: does it call, retry
// and forget as kubelet does?
#include "tests/support/kubelet_sim.h"

#include <sys/mount.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/private_mounts.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kUid[] = "u1";

// Answers as it is told, makes and removes targets as a driver does.
class ScriptedDriver {
 public:
  CsiDriverCalls Calls() {
    return {
        .get_capabilities =
            [this] {
              Note("caps");
              return Answer("caps");
            },
        .publish =
            [this](const CsiPublishCall& call) {
              Note("publish");
              const absl::Status answer = Answer("publish");
              if (answer.ok()) {
                (void)EnsureDirectory(call.target_path, 0755);
              }
              return answer;
            },
        .unpublish =
            [this](const std::string& volume_id, const std::string& target) {
              Note(absl::StrCat("unpublish ", volume_id));
              const absl::Status answer = Answer("unpublish");
              if (answer.ok()) rmdir(target.c_str());
              return answer;
            },
        .get_stats = {},
        .cancel_all = [this] { Open(); }};
  }
  // The next calls of that kind answer so, one each; then OK.
  void Script(const std::string& kind, std::vector<absl::Status> answers) {
    MutexLock lock(mu_);
    answers_[kind].assign(answers.begin(), answers.end());
  }
  // Publishes wait until Open (or until the kubelet is killed).
  void Close() {
    MutexLock lock(mu_);
    open_ = false;
  }
  void Open() {
    MutexLock lock(mu_);
    open_ = true;
    opened_.NotifyAll();
  }
  std::vector<std::string> Noted() {
    MutexLock lock(mu_);
    return std::exchange(noted_, {});
  }

 private:
  void Note(const std::string& what) {
    MutexLock lock(mu_);
    noted_.push_back(what);
    while (what == "publish" && !open_) opened_.Wait(mu_);
  }
  absl::Status Answer(const std::string& kind) {
    MutexLock lock(mu_);
    std::vector<absl::Status>& left = answers_[kind];
    if (left.empty()) return absl::OkStatus();
    const absl::Status next = left.front();
    left.erase(left.begin());
    return next;
  }

  Mutex mu_;
  CondVar opened_;
  bool open_ ABSL_GUARDED_BY(mu_) = true;
  std::map<std::string, std::vector<absl::Status>> answers_
      ABSL_GUARDED_BY(mu_);
  std::vector<std::string> noted_ ABSL_GUARDED_BY(mu_);
};

class KubeletSimTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { EnterPrivateMountNamespace(); }
  KubeletSimTest() {
    dir_.MakeDir("pods");
    kubelet_ = std::make_unique<KubeletSim>(KubeletSim::Options{
        .kubelet_dir = dir_.path(), .driver = driver_.Calls()});
  }
  void Create() {
    kubelet_->CreatePod({.pod = {.name = "web", .uid = kUid},
                         .volumes = {{.attributes = {{"mode", "app"}}}}});
  }
  bool RunUntilMounted() {
    return kubelet_->RunUntil([this] { return kubelet_->IsMounted(kUid); });
  }
  bool RunUntilGone() {
    return kubelet_->RunUntil([this] { return kubelet_->IsGone(kUid); });
  }
  void RunUntilCalls(size_t count) {
    ASSERT_TRUE(kubelet_->RunUntil(
        [this, count] { return kubelet_->Calls().size() >= count; }));
  }
  std::vector<std::string> Unpublishes() {
    std::vector<std::string> noted = driver_.Noted();
    std::erase_if(noted, [](const std::string& what) {
      return what.rfind("unpublish", 0) != 0;
    });
    return noted;
  }
  std::string VolumeDataPath() const {
    return KubeletVolumeDir(dir_.path(),
                            {.pod_uid = kUid, .name = kSimVolumeName}) +
           "/vol_data.json";
  }

  const std::string unpublish_ =
      absl::StrCat("unpublish ", KubeletVolumeId(kUid, kSimVolumeName));
  TempDir dir_;
  ScriptedDriver driver_;
  std::unique_ptr<KubeletSim> kubelet_;
};

TEST_F(KubeletSimTest, AsksForCapabilitiesTwiceBeforeEachPublish) {
  Create();
  ASSERT_TRUE(RunUntilMounted());
  EXPECT_THAT(driver_.Noted(), ElementsAre("caps", "caps", "publish"));
  kubelet_->DeletePod(kUid);
  ASSERT_TRUE(RunUntilGone());
  EXPECT_THAT(driver_.Noted(), ElementsAre(unpublish_));
  EXPECT_THAT(ListPodsOnDisk(dir_.path()), IsEmpty());
}

TEST_F(KubeletSimTest, RetriesWithGrowingWaitsWithoutWaiting) {
  const absl::Time begin = absl::Now();
  driver_.Script("publish", std::vector<absl::Status>(
                                10, absl::UnavailableError("not yet")));
  Create();
  ASSERT_TRUE(RunUntilMounted());
  EXPECT_EQ(kubelet_->CountCalls(KubeletSim::Call::Kind::kPublish), 11);
  // 0.5 + 1 + … + 64 + 122 + 122 s.
  EXPECT_GE(kubelet_->Elapsed(), absl::Seconds(371));
  EXPECT_LT(kubelet_->Elapsed(), absl::Seconds(401));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(30));
  const auto& calls = kubelet_->Calls();
  EXPECT_GE(calls[10].at - calls[9].at, absl::Seconds(122));
  EXPECT_THAT(kubelet_->LastError(kUid),
              StatusIs(absl::StatusCode::kUnavailable, "not yet"));
}

TEST_F(KubeletSimTest, ForgetsAVolumeAfterAFinalCode) {
  driver_.Script("publish", {absl::InternalError("no")});
  Create();
  RunUntilCalls(1);
  EXPECT_THAT(PathExists(VolumeDataPath()), IsOkAndHolds(false));
  kubelet_->DeletePod(kUid);
  ASSERT_TRUE(RunUntilGone());
  EXPECT_THAT(Unpublishes(), IsEmpty());
}

TEST_F(KubeletSimTest, UnpublishesAVolumeAfterAnUncertainCode) {
  driver_.Script("publish", {absl::DeadlineExceededError("late")});
  Create();
  RunUntilCalls(1);
  kubelet_->DeletePod(kUid);
  ASSERT_TRUE(RunUntilGone());
  EXPECT_THAT(Unpublishes(), ElementsAre(unpublish_));
}

TEST_F(KubeletSimTest, ForgetsAVolumeThatWasUncertainBeforeItWasFinal) {
  driver_.Script("publish",
                 {absl::UnavailableError("wait"), absl::NotFoundError("no")});
  Create();
  RunUntilCalls(2);
  kubelet_->DeletePod(kUid);
  ASSERT_TRUE(RunUntilGone());
  EXPECT_THAT(Unpublishes(), IsEmpty());
}

TEST_F(KubeletSimTest, NeverForgetsAVolumeThatItFoundOnDisk) {
  Create();
  ASSERT_TRUE(RunUntilMounted());
  kubelet_->Restart();
  // The pod's file goes, as older kubelets had it, but not the volume.
  driver_.Script("publish", {absl::InternalError("no")});
  RunUntilCalls(2);
  ASSERT_TRUE(RunUntilMounted());
  kubelet_->DeletePod(kUid);
  ASSERT_TRUE(RunUntilGone());
  EXPECT_THAT(Unpublishes(), ElementsAre(unpublish_));
}

TEST_F(KubeletSimTest, CapabilitiesThatCannotBeHadChangeNothing) {
  driver_.Script("caps", {absl::UnavailableError("down")});
  Create();
  ASSERT_TRUE(
      kubelet_->RunUntil([this] { return !kubelet_->LastError(kUid).ok(); }));
  kubelet_->DeletePod(kUid);
  ASSERT_TRUE(
      kubelet_->RunUntil([this] { return !kubelet_->IsKnownToApi(kUid); }));
  EXPECT_THAT(driver_.Noted(), ElementsAre("caps"));
}

TEST_F(KubeletSimTest, UnpublishIsRetriedUntilItIsOk) {
  Create();
  ASSERT_TRUE(RunUntilMounted());
  driver_.Script("unpublish",
                 {absl::NotFoundError("x"), absl::InternalError("y")});
  kubelet_->DeletePod(kUid);
  ASSERT_TRUE(RunUntilGone());
  EXPECT_THAT(Unpublishes(), ElementsAre(unpublish_, unpublish_, unpublish_));
}

TEST_F(KubeletSimTest, UnpublishDoesNotWaitForThePublishsBackoff) {
  driver_.Script("publish", std::vector<absl::Status>(
                                9, absl::UnavailableError("not yet")));
  Create();
  RunUntilCalls(9);
  kubelet_->DeletePod(kUid);
  const absl::Duration begin = kubelet_->Elapsed();
  RunUntilCalls(10);
  EXPECT_LT(kubelet_->Elapsed() - begin, absl::Seconds(60));
}

TEST_F(KubeletSimTest, RestartPublishesAgainAndUnpublishesNothingFirst) {
  Create();
  ASSERT_TRUE(RunUntilMounted());
  (void)driver_.Noted();
  kubelet_->Restart();
  EXPECT_FALSE(kubelet_->IsMounted(kUid));
  ASSERT_TRUE(RunUntilMounted());
  EXPECT_THAT(driver_.Noted(), ElementsAre("caps", "caps", "publish"));
}

TEST_F(KubeletSimTest, PodThatWentWhileItWasDownIsUnpublishedFromDisk) {
  Create();
  ASSERT_TRUE(RunUntilMounted());
  kubelet_->Stop();
  kubelet_->ForceDeletePod(kUid);
  kubelet_->Start();
  kubelet_->RunOnce();
  EXPECT_THAT(Unpublishes(), IsEmpty()) << "before it knew all pods";
  ASSERT_TRUE(RunUntilGone());
  EXPECT_THAT(Unpublishes(), ElementsAre(unpublish_));
}

TEST_F(KubeletSimTest, WithoutVolumeDataTheDriverIsNeverCalled) {
  Create();
  ASSERT_TRUE(RunUntilMounted());
  std::ofstream(VolumeDataPath(), std::ios::trunc).close();
  kubelet_->DeletePod(kUid);
  ASSERT_TRUE(
      kubelet_->RunUntil([this] { return !kubelet_->LastError(kUid).ok(); }));
  EXPECT_THAT(std::string(kubelet_->LastError(kUid).message()),
              HasSubstr("vol_data.json"));
  EXPECT_TRUE(kubelet_->IsKnownToApi(kUid));
  // Nor by the next process; the file keeps the directory for good.
  kubelet_->Restart();
  ASSERT_TRUE(
      kubelet_->RunUntil([this] { return !kubelet_->OrphanError(kUid).ok(); }));
  EXPECT_THAT(Unpublishes(), IsEmpty());
}

TEST_F(KubeletSimTest, DriverThatIsNotRegisteredIsNotCalled) {
  kubelet_->SetRegistered(false);
  Create();
  ASSERT_TRUE(
      kubelet_->RunUntil([this] { return !kubelet_->LastError(kUid).ok(); }));
  EXPECT_THAT(driver_.Noted(), IsEmpty());
  kubelet_->SetRegistered(true);
  EXPECT_TRUE(RunUntilMounted());
}

TEST_F(KubeletSimTest, OneOperationAtATimeForAVolume) {
  driver_.Close();
  Create();
  kubelet_->RunOnce();
  kubelet_->DeletePod(kUid);
  for (int i = 0; i < 5; ++i) kubelet_->RunOnce();
  EXPECT_TRUE(kubelet_->IsAtWork(kUid));
  EXPECT_TRUE(kubelet_->IsKnownToApi(kUid));
  driver_.Open();
  ASSERT_TRUE(RunUntilGone());
  EXPECT_THAT(driver_.Noted(),
              ElementsAre("caps", "caps", "publish", unpublish_));
}

// The driver says OK though its mount is there: kubelet forgets the volume and
// never asks again, but the disk keeps the pod.
TEST_F(KubeletSimTest, PodWhoseVolumeIsStillMountedIsNotLetGo) {
  Create();
  ASSERT_TRUE(RunUntilMounted());
  const std::string target = kubelet_->Target(kUid);
  ASSERT_EQ(mount("none", target.c_str(), "tmpfs", 0, nullptr), 0);
  kubelet_->DeletePod(kUid);
  RunUntilCalls(2);
  for (int i = 0; i < 5; ++i) kubelet_->RunOnce();
  EXPECT_THAT(Unpublishes(), ElementsAre(unpublish_));
  EXPECT_TRUE(kubelet_->IsKnownToApi(kUid));
  ASSERT_EQ(umount2(target.c_str(), 0), 0);
  ASSERT_TRUE(
      kubelet_->RunUntil([this] { return !kubelet_->IsKnownToApi(kUid); }));
  EXPECT_THAT(Unpublishes(), IsEmpty());
}

TEST_F(KubeletSimTest, ForcedDeletionStillTearsDown) {
  Create();
  ASSERT_TRUE(RunUntilMounted());
  kubelet_->ForceDeletePod(kUid);
  EXPECT_FALSE(kubelet_->IsKnownToApi(kUid));
  ASSERT_TRUE(RunUntilGone());
  EXPECT_THAT(Unpublishes(), ElementsAre(unpublish_));
}

}  // namespace
}  // namespace oneagent
