// Pods that go at an unlucky moment, or whose volume does not let go of them.
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "tests/e2e/kubelet_fixture.h"

namespace oneagent {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;

using KubeletDeletionTest = KubeletTest;

// The code must be one after which kubelet unpublishes: else its failure record
// would stay for ever.
TEST_F(KubeletDeletionTest, PodThatNeverGotItsVolumeLeavesNothing) {
  StartNode();
  CreatePod({.pod = "a", .dynakube = "nobody"});
  ASSERT_TRUE(RunUntilCalls(CallKind::kPublish, 4));
  EXPECT_EQ(Volume("a")->attempts, 4);
  DeletePod("a");
  ASSERT_TRUE(RunUntilGone("a"));
  EXPECT_EQ(kubelet().CountCalls(CallKind::kUnpublish), 1);
  EXPECT_EQ(Volume("a"), std::nullopt);
}

TEST_F(KubeletDeletionTest, WhilePublishingEndsWithoutAMount) {
  StartNode();
  StartKubelet(/*call_timeout=*/absl::Milliseconds(300));
  UniqueFd held = HoldHostStorage();
  CreatePod({.pod = "a", .mode = "host"});
  ASSERT_TRUE(RunUntilCalls(CallKind::kPublish, 1));
  DeletePod("a");
  // Its unpublish waits for the publish that kubelet has given up.
  ASSERT_TRUE(RunUntilCalls(CallKind::kUnpublish, 1));
  EXPECT_THAT(kubelet().Calls(), Each(testing::Field(&KubeletSim::Call::answer,
                                                     testing::Not(IsOk()))));
  EXPECT_TRUE(kubelet().IsKnownToApi(Uid("a")));
  held.Reset();
  ASSERT_TRUE(RunUntilGone("a"));
  EXPECT_EQ(node_.MountCount(), 0);
}

TEST_F(KubeletDeletionTest, OfAllPodsInTheMidstOfTheirStart) {
  StartNode();
  CreatePods(60);
  ASSERT_TRUE(RunUntilCalls(CallKind::kPublish, 10));
  for (int i = 0; i < 60; ++i) DeletePod(absl::StrCat("p", i));
  ASSERT_TRUE(RunUntilSettled());
  EXPECT_EQ(node_.MountCount(), 0);
}

TEST_F(KubeletDeletionTest, UnpublishOfATargetThatIsGoneIsOk) {
  StartNode();
  CreatePod({.pod = "a"});
  ASSERT_TRUE(RunUntilSettled());
  // Somebody was faster; kubelet still asks.
  ASSERT_EQ(umount2(Target("a").c_str(), 0), 0);
  ASSERT_EQ(rmdir(Target("a").c_str()), 0);
  DeletePod("a");
  ASSERT_TRUE(RunUntilGone("a"));
  EXPECT_THAT(Answers(CallKind::kUnpublish), testing::ElementsAre(IsOk()));
  // Once more, with the pod's whole directory gone.
  TestCsiClient client(node_.socket());
  EXPECT_OK(client.Unpublish(VolumeId("a"), Target("a")));
}

// A runtime that still closes the files of a container.
TEST_F(KubeletDeletionTest, PodWaitsForTheFilesThatAreStillOpen) {
  StartNode();
  CreatePod({.pod = "a"});
  ASSERT_TRUE(RunUntilSettled());
  UniqueFd held = HoldFile("a");
  ASSERT_EQ(write(held.get(), "data", 4), 4);
  DeletePod("a");
  ASSERT_TRUE(RunUntilCalls(CallKind::kUnpublish, 3));
  EXPECT_THAT(Answers(CallKind::kUnpublish),
              Each(StatusIs(absl::StatusCode::kUnavailable)));
  EXPECT_TRUE(kubelet().IsKnownToApi(Uid("a")));
  EXPECT_EQ(node_.MountCount(), 1);
  EXPECT_EQ(Leases(), 1);
  EXPECT_EQ(ReadTestFile(Target("a") + "/log/held"), "data");
  held.Reset();
  ASSERT_TRUE(RunUntilGone("a"));
  EXPECT_EQ(node_.MountCount(), 0);
}

TEST_F(KubeletDeletionTest, OfOneVolumeDoesNotWaitForTheOther) {
  StartNode();
  SimPod pod = {.pod = {.name = "a", .namespace_name = "shop", .uid = Uid("a")},
                .volumes = {}};
  pod.volumes.push_back({.attributes = AttributesOf({.pod = "a"})});
  pod.volumes.push_back(
      {.name = "state",
       .attributes = AttributesOf({.pod = "a", .mode = "host"})});
  kubelet().CreatePod(pod);
  ASSERT_TRUE(RunUntilMounted("a"));
  EXPECT_EQ(node_.MountCount(), 2);
  UniqueFd held = HoldFile("a");
  DeletePod("a");
  ASSERT_TRUE(RunUntilCalls(CallKind::kUnpublish, 4));
  EXPECT_THAT(PathExists(kubelet().Target(Uid("a"), "state")),
              IsOkAndHolds(false));
  EXPECT_EQ(node_.MountCount(), 1);
  held.Reset();
  ASSERT_TRUE(RunUntilGone("a"));
}

// A static pod keeps its uid: the same volume at the same place.
TEST_F(KubeletDeletionTest, PodThatComesBackUnderItsUidStartsAfresh) {
  StartNode();
  for (int life = 0; life < 3; ++life) {
    CreatePod({.pod = "a"});
    ASSERT_TRUE(RunUntilMounted("a"));
    EXPECT_THAT(PathExists(Target("a") + "/log/agent.log"),
                IsOkAndHolds(false));
    ExpectAgentWorks("a");
    DeletePod("a");
    ASSERT_TRUE(RunUntilGone("a"));
  }
}

TEST_F(KubeletDeletionTest, ByForceIsTornDownLikeAnyOther) {
  StartNode();
  CreatePod({.pod = "a"});
  ASSERT_TRUE(RunUntilSettled());
  kubelet().ForceDeletePod(Uid("a"));
  ASSERT_TRUE(RunUntilGone("a"));
  EXPECT_EQ(node_.MountCount(), 0);
}

// Nobody ever calls: the pod was deleted by force while kubelet was down, and
// its directory by hand.
TEST_F(KubeletDeletionTest, WithoutAnyUnpublishIsCollectedByTheMounter) {
  StartNode();
  CreatePod({.pod = "mounted"});
  CreatePod({.pod = "waiting", .dynakube = "nobody"});
  ASSERT_TRUE(RunUntilMounted("mounted"));
  ASSERT_TRUE(RunUntilCalls(CallKind::kPublish, 2));
  kubelet().Stop();
  ASSERT_EQ(umount2(Target("mounted").c_str(), 0), 0);
  for (const char* const pod : {"mounted", "waiting"}) {
    kubelet().ForceDeletePod(Uid(pod));
    node_.RemovePodDir(pod);
  }
  kubelet().ForgetCalls();
  kubelet().Start();
  ASSERT_TRUE(RunUntilSettled());
  EXPECT_THAT(kubelet().Calls(), SizeIs(0));
  EXPECT_TRUE(RestartMounterUntilForgotten("mounted"));
  EXPECT_TRUE(RestartMounterUntilForgotten("waiting"));
}

TEST_F(KubeletDeletionTest, OrphanedDirectoryIsCleanedUpInTheEnd) {
  StartNode();
  CreatePod({.pod = "a"});
  ASSERT_TRUE(RunUntilSettled());
  UniqueFd held = HoldFile("a");
  kubelet().Stop();
  kubelet().ForceDeletePod(Uid("a"));
  kubelet().Start();
  ASSERT_TRUE(kubelet().RunUntil(
      [this] { return !kubelet().OrphanError(Uid("a")).ok(); }));
  EXPECT_THAT(kubelet().OrphanError(Uid("a")),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("volumes are not cleaned up")));
  EXPECT_EQ(node_.MountCount(), 1);
  held.Reset();
  ASSERT_TRUE(RunUntilGone("a"));
  EXPECT_EQ(node_.MountCount(), 0);
}

}  // namespace
}  // namespace oneagent
