// What a node goes through: killed daemons, lost and damaged indexes, reboots.
#include <stdio.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "tests/e2e/node.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

class RecoveryTest : public testing::Test {
 protected:
  void SetUp() override {
    node_.ApplyDynaKube({.version = kFirstAgentVersion});
    node_.StartMounter();
    node_.StartProvisioner();
    ASSERT_TRUE(node_.WaitForVersion(kFirstAgentVersion));
    ASSERT_OK(node_.Publish({.pod = "a"}));
  }
  void ExpectOneWorkingVolume(const std::string& pod) {
    EXPECT_EQ(node_.MountCount(), 1);
    const auto volume = node_.Volume(pod);
    ASSERT_TRUE(volume.has_value());
    EXPECT_EQ(volume->state, VolumeState::kMounted);
    EXPECT_EQ(volume->agent_id, node_.Agents()[0].id);
    EXPECT_EQ(node_.RunIn(pod).exit_code, 0);
    EXPECT_THAT(node_.AgentLog(pod),
                testing::EndsWith(AgentLine(pod, kFirstAgentVersion)));
  }
  TempDir dir_;
  Node node_;
};

TEST_F(RecoveryTest, MounterKilledPodsGoOnAndTheVolumeIsKnownAgain) {
  node_.mounter().Kill();
  EXPECT_EQ(node_.RunIn("a").exit_code, 0);
  node_.StartMounter();
  EXPECT_OK(node_.Publish({.pod = "a"}));
  ExpectOneWorkingVolume("a");
  EXPECT_OK(node_.Unpublish("a"));
}

TEST_F(RecoveryTest, IndexDeletedWhileNobodyRuns) {
  node_.mounter().Kill();
  node_.provisioner().Kill();
  node_.DeleteIndex();
  node_.StartMounter();
  EXPECT_OK(node_.Publish({.pod = "a"}));
  ExpectOneWorkingVolume("a");
  // New pods are served from the records, the provisioner still dead.
  EXPECT_OK(node_.Publish({.pod = "b"}));
  EXPECT_OK(node_.Unpublish("b"));
  EXPECT_OK(node_.Unpublish("a"));
}

TEST_F(RecoveryTest, IndexDeletedUnderRunningDaemons) {
  node_.DeleteIndex();
  EXPECT_OK(node_.Publish({.pod = "b"}));
  EXPECT_OK(node_.Unpublish("b"));
  EXPECT_TRUE(node_.WaitForReconciled());
  ExpectOneWorkingVolume("a");
  EXPECT_OK(node_.Unpublish("a"));
}

TEST_F(RecoveryTest, IndexOverwrittenWithGarbageIsSetAsideAndRebuilt) {
  node_.mounter().Kill();
  node_.provisioner().Kill();
  FILE* const file = fopen(node_.layout().IndexFile().c_str(), "w");
  ASSERT_NE(file, nullptr);
  fputs("this is no database, it is garbage that somebody wrote\n", file);
  fclose(file);
  node_.StartMounter();
  EXPECT_OK(node_.Publish({.pod = "a"}));
  ExpectOneWorkingVolume("a");
  EXPECT_THAT(node_.MounterLog(), testing::HasSubstr("index.db.damaged-"));
  EXPECT_OK(node_.Unpublish("a"));
}

TEST_F(RecoveryTest, IndexOverwrittenUnderRunningDaemonsIsSetAside) {
  FILE* const file = fopen(node_.layout().IndexFile().c_str(), "r+");
  ASSERT_NE(file, nullptr);
  fputs("this is no database any more, somebody wrote over its header", file);
  fclose(file);
  EXPECT_OK(node_.Publish({.pod = "b"}));
  EXPECT_OK(node_.Unpublish("b"));
  EXPECT_TRUE(node_.WaitForReconciled());
  ExpectOneWorkingVolume("a");
  EXPECT_THAT(node_.MounterLog() + node_.ProvisionerLog(),
              testing::HasSubstr("index.db.damaged-"));
  EXPECT_OK(node_.Unpublish("a"));
}

TEST_F(RecoveryTest, AfterARebootPodsComeBackAndOthersAreCleanedUp) {
  ASSERT_OK(node_.Publish({.pod = "gone"}));
  node_.Reboot();
  node_.RemovePodDir("gone");
  node_.StartMounter();
  node_.StartProvisioner();
  // kubelet may unpublish what is not mounted, and publishes what comes back.
  EXPECT_OK(node_.Publish({.pod = "a"}));
  ExpectOneWorkingVolume("a");
  EXPECT_EQ(node_.AgentLog("a"), AgentLine("a", kFirstAgentVersion))
      << "what was written before the reboot is not kept";
  EXPECT_TRUE(
      Node::WaitUntil([&] { return !node_.Volume("gone").has_value(); }));
  EXPECT_THAT(PathExists(node_.layout().VolumeDir(Node::VolumeId("gone"))),
              IsOkAndHolds(false));
  EXPECT_OK(node_.Unpublish("gone"));
  EXPECT_OK(node_.Unpublish("a"));
}

TEST_F(RecoveryTest, UnpublishAfterARebootIsOk) {
  node_.Reboot();
  node_.StartMounter();
  EXPECT_OK(node_.Unpublish("a"));
  EXPECT_THAT(PathExists(node_.Target("a")), IsOkAndHolds(false));
  EXPECT_EQ(node_.Volume("a"), std::nullopt);
}

TEST_F(RecoveryTest, ProvisionerKilledWhilePodsStart) {
  node_.provisioner().Kill();
  EXPECT_OK(node_.Publish({.pod = "b"}));
  EXPECT_OK(node_.Unpublish("b"));
  node_.StartProvisioner();
  ASSERT_TRUE(node_.WaitForVersion(kFirstAgentVersion));
  EXPECT_EQ(node_.tenant().CountRequests("/version/"), 1) << "downloaded again";
  EXPECT_OK(node_.Unpublish("a"));
}

TEST_F(RecoveryTest, SigtermEndsBothDaemonsAndLeavesTheVolumes) {
  EXPECT_EQ(node_.mounter().Terminate(), 0) << node_.MounterLog();
  EXPECT_EQ(node_.provisioner().Terminate(), 0) << node_.ProvisionerLog();
  EXPECT_EQ(node_.RunIn("a").exit_code, 0);
  EXPECT_THAT(PathExists(node_.socket()), IsOkAndHolds(false));
  node_.StartMounter();
  EXPECT_OK(node_.Unpublish("a"));
}

TEST_F(RecoveryTest, ASecondMounterGivesWay) {
  const auto second = [this](const std::string& socket,
                             const std::string& data_dir) {
    return RunProgram({absl::StrCat(ONEAGENT_BIN_DIR, "/oneagent-csi-mounter"),
                       absl::StrCat("--endpoint=", socket),
                       absl::StrCat("--data-dir=", data_dir),
                       absl::StrCat("--kubelet-dir=", node_.kubelet_dir()),
                       "--node-id=node-1"});
  };
  const ProgramResult same_socket =
      second(node_.socket(), dir_.Path("other-data"));
  EXPECT_EQ(same_socket.exit_code, 1);
  EXPECT_THAT(same_socket.err, testing::HasSubstr(node_.socket()));
  const ProgramResult same_data =
      second(dir_.Path("other.sock"), node_.layout().data_dir());
  EXPECT_EQ(same_data.exit_code, 1);
  EXPECT_THAT(same_data.err, testing::HasSubstr(node_.layout().data_dir()));
  EXPECT_OK(node_.Publish({.pod = "a"}));
  EXPECT_OK(node_.Unpublish("a"));
}

}  // namespace
}  // namespace oneagent
