// Kubelet, or the driver, is away for a while and comes back.
#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "tests/e2e/kubelet_fixture.h"
#include "tests/support/plugin_watcher.h"

namespace oneagent {
namespace {

using ::testing::Each;
using ::testing::SizeIs;

using KubeletRestartTest = KubeletTest;

// Drivers that did not look first have multiplied the mounts of whole nodes.
TEST_F(KubeletRestartTest, PublishesAHundredVolumesAgainAndMountsNothing) {
  StartNode();
  CreatePods(100);
  ASSERT_TRUE(RunUntilSettled());
  const std::vector<MountEntry> before = node_.Mounts();
  ASSERT_THAT(before, SizeIs(100));
  ExpectAgentWorks("p99");

  kubelet().ForgetCalls();
  kubelet().Restart();
  ASSERT_TRUE(RunUntilSettled());
  EXPECT_THAT(Answers(CallKind::kPublish),
              testing::AllOf(SizeIs(100), Each(IsOk())));
  // The same mounts: ids, layers, order.
  EXPECT_EQ(node_.Mounts(), before);
  EXPECT_EQ(Leases(), 100);
  ExpectAgentWorks("p99");
  EXPECT_THAT(kubelet().CollectStats(),
              testing::AllOf(SizeIs(100), Each(IsOk())));
}

TEST_F(KubeletRestartTest, EmptyVolumesStayEmptyThoughThereIsAnAgentNow) {
  node_.StartMounter();
  CreatePod({.pod = "a", .retry_timeout = "0s"});
  ASSERT_TRUE(RunUntilSettled());
  const std::vector<MountEntry> before = node_.Mounts();
  ASSERT_THAT(before, SizeIs(1));
  StartNode();
  kubelet().Restart();
  ASSERT_TRUE(RunUntilSettled());
  EXPECT_EQ(node_.Mounts(), before);
  EXPECT_EQ(Volume("a")->state, VolumeState::kEmpty);
}

TEST_F(KubeletRestartTest, WhilePodsAreBeingPublishedLeavesOneMountEach) {
  StartNode();
  CreatePods(60);
  ASSERT_TRUE(RunUntilCalls(CallKind::kPublish, 10));
  kubelet().Restart();
  ASSERT_TRUE(RunUntilSettled());
  EXPECT_THAT(node_.Mounts(), SizeIs(60));
  EXPECT_EQ(Leases(), 60);
  ExpectAgentWorks("p59");
}

TEST_F(KubeletRestartTest, TogetherWithAKilledMounterKeepsTheMounts) {
  StartNode();
  CreatePods(30);
  ASSERT_TRUE(RunUntilSettled());
  const std::vector<MountEntry> before = node_.Mounts();
  kubelet().Stop();
  node_.mounter().Kill();
  kubelet().Start();  // is there first, and has to try again
  ASSERT_TRUE(kubelet().RunUntil(
      [this] { return !kubelet().LastError(Uid("p29")).ok(); }));
  node_.StartMounter();
  ASSERT_TRUE(RunUntilSettled());
  EXPECT_EQ(node_.Mounts(), before);
  ExpectAgentWorks("p29");
}

// Killed in the midst of everything, on the way up and on the way down; then
// told to end, as by a rolling update.
TEST_F(KubeletRestartTest, OfTheMounterInABurstLosesAndLeaksNothing) {
  constexpr int kPods = 60;
  StartNode();
  CreatePods(kPods);
  for (const int calls : {10, 20}) {
    ASSERT_TRUE(RunUntilCalls(CallKind::kPublish, calls));
    node_.mounter().Kill();
    node_.StartMounter();
  }
  ASSERT_TRUE(RunUntilSettled());
  EXPECT_THAT(node_.Mounts(), SizeIs(kPods));
  EXPECT_EQ(Leases(), kPods);
  ExpectAgentWorks("p59");

  for (int i = 0; i < kPods; ++i) DeletePod(absl::StrCat("p", i));
  ASSERT_TRUE(RunUntilCalls(CallKind::kUnpublish, 10));
  node_.mounter().Kill();
  node_.StartMounter();
  ASSERT_TRUE(RunUntilCalls(CallKind::kUnpublish, 20));
  EXPECT_EQ(node_.mounter().Terminate(), 0);
  node_.StartMounter();
  ASSERT_TRUE(RunUntilSettled());
}

TEST_F(KubeletRestartTest, UnpublishesWhatWentMeanwhileAndNothingElse) {
  StartNode();
  CreatePods(20);
  ASSERT_TRUE(RunUntilSettled());
  kubelet().Stop();
  for (int i = 0; i < 10; ++i) {
    kubelet().ForceDeletePod(Uid(absl::StrCat("p", i)));
  }
  kubelet().ForgetCalls();
  kubelet().Start();
  ASSERT_TRUE(RunUntilSettled());
  EXPECT_EQ(kubelet().CountCalls(CallKind::kUnpublish), 10);
  EXPECT_THAT(node_.Mounts(), SizeIs(10));
  EXPECT_EQ(Leases(), 10);
  ExpectAgentWorks("p10");
}

TEST_F(KubeletRestartTest, PodsDeletedWhileTheDriverIsDownGoWhenItIsBack) {
  StartNode();
  CreatePods(20);
  ASSERT_TRUE(RunUntilSettled());
  node_.mounter().Kill();
  for (int i = 0; i < 20; ++i) DeletePod(absl::StrCat("p", i));
  kubelet().ForgetCalls();
  ASSERT_TRUE(RunUntilCalls(CallKind::kUnpublish, 3 * 20));
  EXPECT_THAT(Answers(CallKind::kUnpublish),
              Each(StatusIs(absl::StatusCode::kUnavailable)));
  EXPECT_TRUE(kubelet().IsKnownToApi(Uid("p0"))) << "Terminating";
  EXPECT_THAT(node_.Mounts(), SizeIs(20));

  node_.StartMounter();
  ASSERT_TRUE(RunUntilSettled());
  EXPECT_THAT(node_.Mounts(), SizeIs(0));
}

// The window in which a driver that restarts is not registered.
TEST_F(KubeletRestartTest, PodsWaitForTheDriversRegistration) {
  StartNode();
  CreatePod({.pod = "old"});
  ASSERT_TRUE(RunUntilSettled());
  kubelet().SetRegistered(false);
  DeletePod("old");
  CreatePod({.pod = "new"});
  kubelet().ForgetCalls();
  for (const char* const pod : {"old", "new"}) {
    ASSERT_TRUE(kubelet().RunUntil(
        [&] { return !kubelet().LastError(Uid(pod)).ok(); }));
  }
  EXPECT_THAT(kubelet().Calls(), SizeIs(0));
  kubelet().SetRegistered(true);
  ASSERT_TRUE(RunUntilSettled());
  EXPECT_TRUE(kubelet().IsGone(Uid("old")));
  ExpectAgentWorks("new");
}

TEST_F(KubeletRestartTest, OfAMounterThatRegistersItselfServesWhoWaited) {
  const std::string registry = node_.kubelet_dir() + "/plugins_registry";
  ASSERT_OK(EnsureDirectory(registry, 0750));
  PluginWatcher plugins({.directory = registry});
  const auto is_registered = [&plugins] {
    return plugins.Drivers().count(kKubeletDriverName) > 0;
  };
  kubelet().AskRegistered(is_registered);
  const absl::Cleanup forget = [this] { kubelet().SetRegistered(true); };
  const std::vector<std::string> flags = {
      absl::StrCat("--registration-dir=", registry),
      absl::StrCat("--kubelet-socket-path=", node_.socket())};
  CreatePods(10);
  StartNode(flags);
  ASSERT_TRUE(RunUntilSettled());

  EXPECT_EQ(node_.mounter().Terminate(), 0);
  ASSERT_TRUE(Node::WaitUntil([&] { return !is_registered(); }));
  DeletePod("p0");
  CreatePod({.pod = "new"});
  kubelet().ForgetCalls();
  for (const char* const pod : {"p0", "new"}) {
    ASSERT_TRUE(kubelet().RunUntil(
        [&] { return !kubelet().LastError(Uid(pod)).ok(); }));
  }
  EXPECT_THAT(kubelet().Calls(), SizeIs(0));
  node_.StartMounter(flags);
  ASSERT_TRUE(RunUntilSettled());
  EXPECT_TRUE(kubelet().IsGone(Uid("p0")));
  EXPECT_THAT(node_.Mounts(), SizeIs(10));
  ExpectAgentWorks("new");
}

}  // namespace
}  // namespace oneagent
