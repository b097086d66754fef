// Edge cases of the list in edge_cases_test.cc: calls at an unlucky moment, and
// state that is lost or broken meanwhile.
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "tests/e2e/edge_case_fixture.h"
#include "tests/support/lock_waiters.h"

namespace oneagent {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

TEST_F(EdgeCaseTest, Case01_TwentyPublishesOfOneVolumeMakeOneMount) {
  StartNode();
  TestCsiClient client(node_.socket(), TestCsiClient::Connections::kOnePerCall);
  const CsiPublishCall call = CallOf({.pod = "a"});
  EXPECT_THAT(AtOnce(20, [&] { return client.Publish(call); }), Each(IsOk()));
  EXPECT_THAT(node_.Mounts(), SizeIs(1));
  EXPECT_EQ(Leases(), 1);
  EXPECT_THAT(
      AtOnce(
          20,
          [&] { return client.Unpublish(call.volume_id, call.target_path); }),
      Each(IsOk()));
}

TEST_F(EdgeCaseTest, Case04_PublishUnderAKubeletThatDiesIsFoundOnDisk) {
  StartNode();
  UniqueFd held = HoldHostStorage();
  const std::string host = node_.layout().HostDir();
  CreatePod({.pod = "stays", .mode = "host"});
  CreatePod({.pod = "goes", .mode = "host"});
  ASSERT_TRUE(kubelet().RunUntil([&] { return LockWaiters(host) == 2; }));
  kubelet().Stop();
  kubelet().ForceDeletePod(Uid("goes"));
  held.Reset();
  // The driver finishes what it has begun, though nobody is left to hear.
  ASSERT_TRUE(Node::WaitUntil([this] { return node_.MountCount() == 2; }));
  kubelet().Start();
  ASSERT_TRUE(RunUntilSettled());
  EXPECT_TRUE(kubelet().IsMounted(Uid("stays")));
  EXPECT_THAT(node_.Mounts(), SizeIs(1));
}

TEST_F(EdgeCaseTest, Case14_IndexLostUnderLoadLosesNoVolume) {
  constexpr int kPods = 60;
  StartNode();
  CreatePods(kPods);
  ASSERT_TRUE(RunUntilCalls(CallKind::kPublish, 15));
  node_.DeleteIndex();
  ASSERT_TRUE(RunUntilSettled());
  EXPECT_THAT(node_.Mounts(), SizeIs(kPods));
  EXPECT_TRUE(Node::WaitUntil([this] { return Leases() == kPods; }));
  for (int i = 0; i < kPods; ++i) DeletePod(absl::StrCat("p", i));
  ASSERT_TRUE(RunUntilCalls(CallKind::kUnpublish, 15));
  node_.DeleteIndex();
  ASSERT_TRUE(RunUntilSettled());
  EXPECT_EQ(node_.MountCount(), 0);
}

TEST_F(EdgeCaseTest, Case18_NoTokenIsLoggedOrKept) {
  const std::string token = "eyJhbGciOiJSUzI1NiJ9.SERVICEACCOUNT.signature";
  StartNode({"--log-level=debug"});
  CsiPublishCall call = CallOf({.pod = "a"});
  call.context["csi.storage.k8s.io/serviceAccount.tokens"] =
      absl::StrCat(R"({"":{"token":")", token, R"("}})");
  call.context["unheard-of"] = token;
  call.secrets = {{"serviceAccount.tokens", token}, {"password", token}};
  TestCsiClient client(node_.socket());
  ASSERT_OK(client.Publish(call));
  EXPECT_OK(client.GetVolumeStats(call.volume_id, call.target_path));
  // Of what fails more is said.
  CsiPublishCall refused = call;
  refused.context["mode"] = "none";
  EXPECT_THAT(
      client.Publish(refused),
      StatusIs(absl::StatusCode::kInvalidArgument, Not(HasSubstr(token))));
  CsiPublishCall failed = CallOf({.pod = "b", .dynakube = "nobody"});
  failed.context["unheard-of"] = token;
  failed.secrets = call.secrets;
  EXPECT_THAT(client.Publish(failed),
              StatusIs(absl::StatusCode::kUnavailable, Not(HasSubstr(token))));
  EXPECT_THAT(FilesWith(node_.layout().data_dir(), token), SizeIs(0));
  EXPECT_THAT(node_.MounterLog(), HasSubstr("volume=" + call.volume_id));
  EXPECT_THAT(node_.MounterLog(), Not(HasSubstr(token)));
  EXPECT_OK(client.Unpublish(call.volume_id, call.target_path));
  EXPECT_OK(client.Unpublish(failed.volume_id, failed.target_path));
}

TEST_F(EdgeCaseTest, Case19_VolumeThatKubeletCannotUnpublishStaysWhole) {
  StartNode();
  CreatePod({.pod = "a"});
  ASSERT_TRUE(RunUntilSettled());
  kubelet().Stop();
  const std::string data = VolumeDir("a") + "/vol_data.json";
  ASSERT_EQ(truncate(data.c_str(), 0), 0);
  kubelet().ForceDeletePod(Uid("a"));
  kubelet().ForgetCalls();
  kubelet().Start();
  ASSERT_TRUE(kubelet().RunUntil(
      [this] { return !kubelet().OrphanError(Uid("a")).ok(); }));
  EXPECT_THAT(kubelet().Calls(), SizeIs(0));
  // For all the mounter knows the pod is alive: its directory is there.
  node_.StartMounter();
  EXPECT_TRUE(node_.WaitForReconciled());
  EXPECT_THAT(node_.Mounts(), SizeIs(1));
  EXPECT_EQ(Leases(), 1);
  ExpectAgentWorks("a");
  // What an administrator does about it.
  const ProgramResult unpublish =
      node_.Cli({"unpublish", absl::StrCat("--endpoint=", node_.socket()),
                 absl::StrCat("--volume-id=", VolumeId("a")),
                 absl::StrCat("--target=", Target("a"))});
  EXPECT_EQ(unpublish.exit_code, 0) << unpublish.err;
  ASSERT_EQ(unlink(data.c_str()), 0);
  EXPECT_TRUE(RunUntilGone("a"));
}

TEST_F(EdgeCaseTest, Case20_PublishedVolumesStayOkWhateverIsBroken) {
  StartNode();
  CreatePods(5);
  ASSERT_TRUE(RunUntilSettled());
  const std::vector<MountEntry> before = node_.Mounts();
  const auto publish_again = [&] {
    kubelet().ForgetCalls();
    kubelet().Restart();
    ASSERT_TRUE(RunUntilSettled());
    EXPECT_THAT(Answers(CallKind::kPublish),
                testing::AllOf(SizeIs(5), Each(IsOk())));
    EXPECT_EQ(node_.Mounts(), before);
  };
  // Their DynaKube is gone.
  node_.DeleteDynaKube("demo");
  ASSERT_EQ(node_.ProvisionOnce(), 0) << node_.ProvisionerLog();
  publish_again();
  // The index cannot be used.
  node_.DeleteIndex();
  ASSERT_OK(EnsureDirectory(node_.layout().IndexFile(), 0700));
  ASSERT_OK(WriteFileAtomically(node_.layout().IndexFile() + "/x", "", 0600,
                                Durability::kNoSync));
  publish_again();
  // The records are damaged, too: then the mount table tells.
  for (int i = 0; i < 5; ++i) {
    ASSERT_OK(WriteFileAtomically(
        node_.layout().VolumeRecord(VolumeId(absl::StrCat("p", i))), "{", 0600,
        Durability::kNoSync));
  }
  publish_again();
  ExpectAgentWorks("p4");
  // With a new index the mount table tells.
  std::filesystem::remove_all(node_.layout().IndexFile());
  ASSERT_TRUE(RunUntilSettled());
  EXPECT_EQ(node_.Mounts(), before);
}

}  // namespace
}  // namespace oneagent
