// Everything at once. A driver that refuses what it cannot do now makes kubelet
// double its waits: minutes, on an idle machine.
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/e2e/kubelet_fixture.h"

namespace oneagent {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::SizeIs;

using KubeletBurstTest = KubeletTest;

TEST_F(KubeletBurstTest, TwoHundredPodsComeAndGoAtTheFirstAttemptEach) {
  constexpr int kPods = 200;
  StartNode();
  const absl::Duration begin = kubelet().Elapsed();
  CreatePods(kPods);
  ASSERT_TRUE(RunUntilSettled());
  EXPECT_THAT(Answers(CallKind::kPublish), AllOf(SizeIs(kPods), Each(IsOk())));
  EXPECT_THAT(node_.Mounts(), SizeIs(kPods)) << "one mount per volume";
  EXPECT_EQ(Leases(), kPods);
  ExpectAgentWorks("p199");

  for (int i = 0; i < kPods; ++i) DeletePod(absl::StrCat("p", i));
  ASSERT_TRUE(RunUntilSettled());
  EXPECT_THAT(Answers(CallKind::kUnpublish),
              AllOf(SizeIs(kPods), Each(IsOk())));
  // As kubelet sees it, with whatever waits there were.
  EXPECT_LT(kubelet().Elapsed() - begin, absl::Seconds(60));
}

// Four at a time is what a small node may be given: the rest wait their turn.
TEST_F(KubeletBurstTest, NobodyIsRefusedWhereFewAreServedAtOnce) {
  constexpr int kPods = 100;
  StartNode({"--max-in-flight=4"});
  CreatePods(kPods);
  ASSERT_TRUE(RunUntilSettled());
  for (int i = 0; i < kPods; ++i) DeletePod(absl::StrCat("p", i));
  ASSERT_TRUE(RunUntilSettled());
  EXPECT_THAT(kubelet().Calls(), SizeIs(2 * kPods));
  EXPECT_THAT(kubelet().Calls(),
              Each(testing::Field(&KubeletSim::Call::answer, IsOk())));
}

}  // namespace
}  // namespace oneagent
