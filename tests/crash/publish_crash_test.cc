// The process dies at every numbered step of publish, roll back, fail-open and
// unpublish, on the real kernel; then it starts again in every way it may, and
// the same call must come to the same end: one mount, one lease, and after
// Unpublish and a collection nothing at all.
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/durable_file.h"
#include "base/failpoint.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "overlay/mount_table.h"
#include "tests/support/failpoints.h"
#include "tests/support/leak_check.h"
#include "tests/support/private_mounts.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/csi/volume_world.h"

namespace oneagent {
namespace {

using ::testing::Combine;
using ::testing::IsEmpty;
using ::testing::Values;
using ::testing::ValuesIn;

constexpr int kDied = 42;

enum class Recovery {
  kCallAgain,       // kubelet is faster than the reconciler
  kReconcile,       // as at every start
  kIndexLost,       // and index.db is gone
  kIndexAndReboot,  // the machine went down with it
};

const char* Name(Recovery recovery) {
  switch (recovery) {
    case Recovery::kCallAgain:
      return "CallAgain";
    case Recovery::kReconcile:
      return "Reconcile";
    case Recovery::kIndexLost:
      return "IndexLost";
    case Recovery::kIndexAndReboot:
      return "IndexAndReboot";
  }
  return "?";
}

using Crash = std::tuple<std::string, Recovery>;

class PublishCrashTest : public testing::TestWithParam<Crash> {
 protected:
  static void SetUpTestSuite() { EnterPrivateMountNamespace(); }

  PublishCrashTest() : world_(VolumeWorld::Kernel::kYesInMemory) {
    world_.clock.Set(absl::Now());
    Provision();
    world_.Reconcile();
    request_ = world_.Request(1);
    request_.conf = {{"general", "k", "v"}};
  }

  void Provision() {
    world_.InstallAgent(kAgent1, "1.300");
    world_.SetTenant("dk", kAgent1);
  }

  // Runs `work` in a process of its own, which must die at the test's point.
  void DieIn(const std::function<void()>& work) {
    world_.Stop();
    const pid_t child = fork();
    if (child == 0) {
      world_.Restart();
      ArmFailpoint(std::get<0>(GetParam()), [] { _exit(kDied); });
      work();
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    ASSERT_EQ(WEXITSTATUS(status), kDied) << "did not get to that point";
    world_.Restart();
  }

  void Recover() {
    switch (std::get<1>(GetParam())) {
      case Recovery::kCallAgain:
        break;
      case Recovery::kReconcile:
        world_.Reconcile();
        break;
      case Recovery::kIndexLost:
        world_.DeleteIndex();
        world_.Reconcile();
        Provision();
        break;
      case Recovery::kIndexAndReboot:
        (void)UnmountByHand();  // a pod without a directory has no mount
        EXPECT_EQ(MountsAtTarget(), 0);
        world_.Reboot();
        world_.DeleteIndex();
        world_.Reconcile();
        Provision();
        break;
    }
  }

  absl::Status UnmountByHand() {
    const absl::StatusOr<ResolvedTarget> target =
        world_.targets->Resolve(world_.Target(1));
    return target.ok() ? world_.mounter().Unmount(target->target())
                       : target.status();
  }

  int MountsAtTarget() {
    const absl::StatusOr<std::vector<MountEntry>> table = ReadMountTable();
    EXPECT_OK(table);
    int count = 0;
    for (const MountEntry& entry : *table) {
      count += entry.mount_point == world_.Target(1) ? 1 : 0;
    }
    return count;
  }

  void ExpectMounted() {
    const absl::StatusOr<PublishResult> result =
        world_.publisher->Publish(request_);
    EXPECT_OK(result);
    EXPECT_EQ(MountsAtTarget(), 1);
    EXPECT_EQ(world_.StateOf(request_.volume_id), "mounted");
    EXPECT_EQ(world_.Row(request_.volume_id)->attempts, 0);
    EXPECT_EQ(world_.LeasesOf(kAgent1), 1);
    EXPECT_EQ(
        ReadTestFile(absl::StrCat(world_.Target(1), "/", kProcessConfPath)),
        "[general]\nfrom agent\nk v\n");
  }

  void ExpectNothingAfterUnpublish() {
    EXPECT_OK(
        world_.unpublisher->Unpublish(request_.volume_id, world_.Target(1))
            .status);
    EXPECT_EQ(MountsAtTarget(), 0);
    EXPECT_FALSE(world_.Exists(world_.Target(1)));
    EXPECT_EQ(world_.StateOf(request_.volume_id), "none");
    EXPECT_EQ(world_.LeasesOf(kAgent1), 0);
    world_.Reconcile();
    world_.AgeTrash();
    world_.Collect();
    EXPECT_THAT(world_.Trash(), IsEmpty());
    EXPECT_THAT(ListDirectory(world_.layout.VolumesDir()),
                IsOkAndHolds(IsEmpty()));
  }

  void HideAgent() {
    std::filesystem::rename(world_.layout.AgentTree(kAgent1),
                            world_.dir.Path("hidden"));
  }
  void ShowAgent() {
    std::filesystem::rename(world_.dir.Path("hidden"),
                            world_.layout.AgentTree(kAgent1));
  }

  LeakCheck leaks_;
  VolumeWorld world_;
  PublishRequest request_;
};

std::string CrashName(const testing::TestParamInfo<Crash>& info) {
  return absl::StrCat(
      absl::StrReplaceAll(std::get<0>(info.param), {{":", "_"}, {"-", "_"}}),
      "_", Name(std::get<1>(info.param)));
}

const auto kEveryRecovery =
    Values(Recovery::kCallAgain, Recovery::kReconcile, Recovery::kIndexLost,
           Recovery::kIndexAndReboot);

// The mounter's own step stands where the kernel is spoken to.
std::vector<std::string> StepsOfPublish() {
  std::vector<std::string> steps = FailpointsOf("publish");
  steps.push_back("overlay:built");
  return steps;
}

using DiedInPublish = PublishCrashTest;

TEST_P(DiedInPublish, PublishAgainComesToOneMountAndUnpublishToNothing) {
  DieIn([this] { (void)world_.publisher->Publish(request_); });
  Recover();
  ExpectMounted();
  ExpectNothingAfterUnpublish();
}

TEST_P(DiedInPublish, UnpublishComesToNothing) {
  DieIn([this] { (void)world_.publisher->Publish(request_); });
  Recover();
  ExpectNothingAfterUnpublish();
}

TEST_P(DiedInPublish, PodThatIsGoneIsCollected) {
  DieIn([this] { (void)world_.publisher->Publish(request_); });
  Recover();
  EXPECT_OK(UnmountByHand());
  world_.RemovePodDirectory(1);
  world_.Collect();
  EXPECT_EQ(world_.StateOf(request_.volume_id), "none");
  ExpectNothingAfterUnpublish();
}

INSTANTIATE_TEST_SUITE_P(EveryStep, DiedInPublish,
                         Combine(ValuesIn(StepsOfPublish()), kEveryRecovery),
                         CrashName);

class DiedInRollBack : public PublishCrashTest {};

TEST_P(DiedInRollBack, NextPublishSucceedsAndUnpublishComesToNothing) {
  HideAgent();
  DieIn([this] { (void)world_.publisher->Publish(request_); });
  ShowAgent();
  Recover();
  ExpectMounted();
  ExpectNothingAfterUnpublish();
}

INSTANTIATE_TEST_SUITE_P(EveryStep, DiedInRollBack,
                         Combine(ValuesIn(FailpointsOf("rollback")),
                                 kEveryRecovery),
                         CrashName);

class DiedInFailOpen : public PublishCrashTest {};

TEST_P(DiedInFailOpen, PodIsPublishedEmptyAndUnpublishComesToNothing) {
  HideAgent();
  request_.retry_timeout = absl::ZeroDuration();
  DieIn([this] { (void)world_.publisher->Publish(request_); });
  Recover();
  // Reappears with Provision, without its library.
  if (world_.Exists(world_.layout.AgentTree(kAgent1))) {
    std::filesystem::remove_all(world_.layout.AgentTree(kAgent1));
  }
  EXPECT_OK(world_.publisher->Publish(request_));
  EXPECT_LE(MountsAtTarget(), 1);
  EXPECT_TRUE(world_.Exists(world_.Target(1)));
  EXPECT_EQ(world_.StateOf(request_.volume_id), "empty");
  EXPECT_EQ(world_.LeasesOf(kAgent1), 0);
  ExpectNothingAfterUnpublish();
}

INSTANTIATE_TEST_SUITE_P(EveryStep, DiedInFailOpen,
                         Combine(ValuesIn(FailpointsOf("empty")),
                                 kEveryRecovery),
                         CrashName);

// The volume was empty and its directory bare before the machine went down, and
// its pod had filled it.
class DiedClearingABareDirectory : public PublishCrashTest {};

TEST_P(DiedClearingABareDirectory, PublishAgainComesToOneMount) {
  HideAgent();
  PublishRequest hasty = request_;
  hasty.retry_timeout = absl::ZeroDuration();
  ASSERT_OK(world_.publisher->Publish(hasty));
  ShowAgent();
  ASSERT_OK(UnmountByHand());
  std::filesystem::create_directory(world_.Target(1) + "/log");
  world_.Reboot();
  DieIn([this] { (void)world_.publisher->Publish(request_); });
  Recover();
  ExpectMounted();
  ExpectNothingAfterUnpublish();
}

INSTANTIATE_TEST_SUITE_P(EveryStep, DiedClearingABareDirectory,
                         Combine(ValuesIn(StepsOfPublish()), kEveryRecovery),
                         CrashName);

class DiedInUnpublish : public PublishCrashTest {};

TEST_P(DiedInUnpublish, UnpublishAgainComesToNothing) {
  ASSERT_OK(world_.publisher->Publish(request_));
  DieIn([this] {
    (void)world_.unpublisher->Unpublish(request_.volume_id, world_.Target(1));
  });
  Recover();
  ExpectNothingAfterUnpublish();
}

TEST_P(DiedInUnpublish, PublishAgainComesToOneMount) {
  ASSERT_OK(world_.publisher->Publish(request_));
  DieIn([this] {
    (void)world_.unpublisher->Unpublish(request_.volume_id, world_.Target(1));
  });
  Recover();
  ExpectMounted();
  ExpectNothingAfterUnpublish();
}

INSTANTIATE_TEST_SUITE_P(EveryStep, DiedInUnpublish,
                         Combine(ValuesIn(FailpointsOf("unpublish")),
                                 kEveryRecovery),
                         CrashName);

// The pod is gone, its volume was not unmounted by anybody but the kernel.
class DiedInCollection : public PublishCrashTest {};

TEST_P(DiedInCollection, NextCollectionLeavesNothing) {
  ASSERT_OK(world_.publisher->Publish(request_));
  ASSERT_OK(UnmountByHand());
  world_.RemovePodDirectory(1);
  DieIn([this] { world_.Collect(); });
  Recover();
  world_.Collect();
  EXPECT_EQ(world_.StateOf(request_.volume_id), "none");
  ExpectNothingAfterUnpublish();
}

INSTANTIATE_TEST_SUITE_P(EveryStep, DiedInCollection,
                         Combine(ValuesIn(FailpointsOf("collect-volume")),
                                 kEveryRecovery),
                         CrashName);

}  // namespace
}  // namespace oneagent
