// The machine goes down: no mount survives, every directory does.
#include <stdlib.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "tests/e2e/kubelet_fixture.h"

namespace oneagent {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class KubeletRebootTest : public KubeletTest {
 protected:
  void SetUp() override {
    StartNode();
    for (const char* const pod : {"back", "gone", "cut"}) {
      CreatePod({.pod = pod});
    }
    ASSERT_TRUE(RunUntilSettled());
    for (const char* const pod : {"back", "gone", "cut"}) ExpectAgentWorks(pod);
    kubelet().Stop();
    kubelet().ForgetCalls();
    node_.Reboot();
  }
  // vol_data.json was not on disk yet when the power went.
  void CutVolumeData(const std::string& pod) {
    ASSERT_EQ(truncate((VolumeDir(pod) + "/vol_data.json").c_str(), 0), 0);
  }
};

TEST_F(KubeletRebootTest, PodsComeBackInPlaceAndOthersAreGone) {
  for (const char* const pod : {"gone", "cut"}) {
    kubelet().ForceDeletePod(Uid(pod));
  }
  node_.StartMounter();
  EXPECT_EQ(Leases(), 0) << "no mount outlives a reboot";
  kubelet().Start();
  ASSERT_TRUE(RunUntilSettled());
  // The same volume at the same place; targets that are not mounted are OK.
  EXPECT_THAT(Answers(CallKind::kPublish), ElementsAre(IsOk()));
  EXPECT_THAT(Answers(CallKind::kUnpublish), ElementsAre(IsOk(), IsOk()));
  EXPECT_THAT(node_.Mounts(), SizeIs(1));
  EXPECT_EQ(Leases(), 1);
  EXPECT_THAT(PathExists(Target("back") + "/log/agent.log"),
              IsOkAndHolds(false))
      << "what a pod wrote does not survive";
  ExpectAgentWorks("back");
}

TEST_F(KubeletRebootTest, KubeletIsBackBeforeTheDriver) {
  kubelet().Start();
  ASSERT_TRUE(kubelet().RunUntil(
      [this] { return !kubelet().LastError(Uid("back")).ok(); }));
  // It gives up one of the pods before it has ever reached the driver.
  DeletePod("gone");
  ASSERT_TRUE(RunUntilCalls(CallKind::kUnpublish, 1));
  node_.StartMounter();
  ASSERT_TRUE(RunUntilSettled());
  EXPECT_THAT(node_.Mounts(), SizeIs(2));
  ExpectAgentWorks("back");
}

// kubelet never unpublishes such a volume, and never removes its directory.
TEST_F(KubeletRebootTest, VolumeWhoseDataThePowerCutEmptiedIsLetGo) {
  CutVolumeData("cut");
  CutVolumeData("back");
  kubelet().ForceDeletePod(Uid("cut"));
  node_.StartMounter();
  kubelet().Start();
  ASSERT_TRUE(RunUntilMounted("back")) << "publishing writes it anew";
  ASSERT_TRUE(kubelet().RunUntil(
      [this] { return !kubelet().OrphanError(Uid("cut")).ok(); }));
  EXPECT_THAT(kubelet().OrphanError(Uid("cut")),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       testing::HasSubstr("vol_data.json")));
  EXPECT_EQ(kubelet().CountCalls(CallKind::kUnpublish), 0);
  // Of ours nothing is left: no lease, no directory, no target.
  EXPECT_EQ(Volume("cut"), std::nullopt);
  EXPECT_THAT(PathExists(node_.layout().VolumeDir(VolumeId("cut"))),
              IsOkAndHolds(false));
  EXPECT_EQ(Leases(), 2) << "back and gone";
  // What an administrator does about it.
  ASSERT_EQ(unlink((VolumeDir("cut") + "/vol_data.json").c_str()), 0);
  EXPECT_TRUE(RunUntilGone("cut"));
}

}  // namespace
}  // namespace oneagent
