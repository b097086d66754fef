// Pods that come, run and go, with the agent preloaded.
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/cluster/cluster_fixture.h"

namespace oneagent {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::SizeIs;

using PodsTest = ClusterTest;

TEST_F(PodsTest, TheFirstPodWaitsForTheAgent) {
  Start(Pod("first"));
  ASSERT_TRUE(WaitUntil([&] {
    return absl::StrContains(Cluster::Describe(own(), "first"),
                             "csi-provisioner hasn't finished setup yet");
  })) << Cluster::Describe(own(), "first");
  EXPECT_EQ(Cluster::Get(own(), "pod/first", "{.status.phase}"), "Pending");
  EXPECT_EQ(CountMounts(UidOf("first")), 0);

  WantAgent(kFirstAgentVersion);
  EXPECT_TRUE(AwaitInstrumented("first"));
  EXPECT_EQ(CountMounts(UidOf("first")), 1);
}

TEST_F(PodsTest, ADeploymentRollsToTheNextVersion) {
  WantAgent(kFirstAgentVersion);
  Cluster::Apply(DeploymentManifest(Pod("web"), 3));
  ASSERT_TRUE(WaitUntil([&] { return Pods().size() == 3; }));
  const std::vector<std::string> old_pods = Pods();
  for (const std::string& pod : old_pods) EXPECT_TRUE(AwaitInstrumented(pod));

  tenant().Serve(kSecondAgentVersion);
  WantAgent(kSecondAgentVersion);
  ASSERT_TRUE(AwaitAgent(kSecondAgentVersion));
  // Who runs keeps what it was started with.
  const ProgramResult in_old = Cluster::Exec(
      own(), old_pods[0],
      {"cat", absl::StrCat(kVolumePath, "/agent/installer.version")});
  EXPECT_EQ(in_old.out, absl::StrCat(kFirstAgentVersion, "\n"));
  EXPECT_THAT(in_old.err, HasSubstr(AgentLine(kFirstAgentVersion)));

  Cluster::Kubectl({"rollout", "restart", "-n", own(), "deployment/web"});
  Cluster::Kubectl(
      {"rollout", "status", "-n", own(), "deployment/web", "--timeout=120s"});
  ASSERT_TRUE(WaitUntil([&] { return Pods().size() == 3; }));
  for (const std::string& pod : Pods()) {
    EXPECT_TRUE(AwaitInstrumented(pod, kSecondAgentVersion));
    EXPECT_THAT(old_pods, Each(testing::Ne(pod)));
  }
}

TEST_F(PodsTest, ThirtyPodsAtOnce) {
  WantAgent(kFirstAgentVersion);
  ASSERT_TRUE(AwaitAgent(kFirstAgentVersion));
  Cluster::Apply(DeploymentManifest(Pod("crowd"), 30));
  Cluster::Kubectl(
      {"rollout", "status", "-n", own(), "deployment/crowd", "--timeout=180s"});
  const std::vector<std::string> pods = Pods();
  EXPECT_THAT(pods, SizeIs(30));
  for (const std::string& pod : pods) EXPECT_TRUE(AwaitInstrumented(pod));
}

TEST_F(PodsTest, WritesStayInTheVolumeThatIsNotReadOnly) {
  WantAgent(kFirstAgentVersion);
  AppPod writer = Pod("writer");
  writer.read_only = false;
  Start(writer);
  Start(Pod("reader"));
  ASSERT_TRUE(AwaitInstrumented("writer"));
  ASSERT_TRUE(AwaitInstrumented("reader"));

  const std::string file = absl::StrCat(kVolumePath, "/log/mine");
  EXPECT_EQ(Cluster::Exec(own(), "writer", {"touch", file}).exit_code, 0);
  EXPECT_EQ(Cluster::Exec(own(), "writer", {"cat", file}).exit_code, 0);
  EXPECT_THAT(Cluster::Exec(own(), "reader", {"touch", file}).err,
              HasSubstr("Read-only file system"));
  EXPECT_THAT(Cluster::Exec(own(), "reader", {"cat", file}).err,
              HasSubstr("No such file"));
}

TEST_F(PodsTest, AHostAgentFindsWhatItsPredecessorWrote) {
  WantAgent(kFirstAgentVersion);
  Cluster::Apply(HostDaemonSetManifest(Pod("host")));
  const auto starts = [this] {
    const std::vector<std::string> pods = Pods();
    return pods.size() == 1
               ? Cluster::Exec(own(), pods[0],
                               {"cat", "/mnt/volume_storage_mount/starts"})
                     .out
               : "";
  };
  ASSERT_TRUE(WaitUntil([&] { return starts() == "started\n"; }));
  Delete(Pods()[0]);
  EXPECT_TRUE(WaitUntil([&] { return starts() == "started\nstarted\n"; }))
      << starts();
}

TEST_F(PodsTest, AnyUserWithoutAWritableRootIsInstrumented) {
  WantAgent(kFirstAgentVersion);
  AppPod reader = Pod("reader");
  reader.security =
      "{runAsUser: 4711, runAsGroup: 4711, runAsNonRoot: true, "
      "readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, "
      "capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}";
  AppPod writer = reader;
  writer.name = "writer";
  writer.read_only = false;
  Start(reader);
  Start(writer);
  EXPECT_TRUE(AwaitInstrumented("reader"));
  EXPECT_TRUE(AwaitInstrumented("writer"));
  EXPECT_EQ(Cluster::Exec(own(), "writer", {"id", "-u"}).out, "4711\n");
  EXPECT_THAT(Cluster::Exec(own(), "writer", {"touch", "/mine"}).err,
              HasSubstr("Read-only file system"));
}

TEST_F(PodsTest, APodThatIsForcedAwayLeavesNothing) {
  WantAgent(kFirstAgentVersion);
  Start(Pod("doomed"));
  ASSERT_TRUE(AwaitInstrumented("doomed"));
  const std::string uid = UidOf("doomed");
  EXPECT_EQ(CountMounts(uid), 1);
  Cluster::Kubectl(
      {"delete", "pod", "-n", own(), "doomed", "--grace-period=0", "--force"});
  EXPECT_TRUE(WaitUntil([&] { return CountMounts(uid) == 0; }));
}

TEST_F(PodsTest, ANamespaceGoesWithTwentyPods) {
  WantAgent(kFirstAgentVersion);
  ASSERT_TRUE(AwaitAgent(kFirstAgentVersion));
  Cluster::Apply(DeploymentManifest(Pod("many"), 20));
  Cluster::Kubectl(
      {"rollout", "status", "-n", own(), "deployment/many", "--timeout=180s"});
  ASSERT_THAT(Pods(), SizeIs(20));
  // TearDown deletes it, and looks.
}

TEST_F(PodsTest, TwoTenantsAtOnce) {
  WantAgent(kFirstAgentVersion);
  ClusterTenant other("xyz98765");
  other.Serve(kSecondAgentVersion);
  ApplyDynaKube("other-tenant", other, kSecondAgentVersion);
  AppPod theirs = Pod("theirs");
  theirs.dynakube = "other-tenant";
  Start(Pod("ours"));
  Start(theirs);
  EXPECT_TRUE(AwaitInstrumented("ours"));
  EXPECT_TRUE(WaitUntil([&] {
    return absl::StrContains(
        Cluster::Log(own(), "theirs"),
        absl::StrCat("agent loaded tenant=xyz98765 pod=unknown version=",
                     kSecondAgentVersion));
  })) << Cluster::Log(own(), "theirs");
}

TEST_F(PodsTest, APodAsTheWebhookMakesIt) {
  WantAgent(kFirstAgentVersion);
  ASSERT_TRUE(AwaitAgent(kFirstAgentVersion));
  Cluster::Kubectl({"create", "secret", "generic", "-n", own(),
                    "dynatrace-bootstrapper-config",
                    "--from-literal=ruxitagentproc.json={}"});
  Cluster::Apply(WebhookPodManifest(Pod("injected")));
  EXPECT_TRUE(AwaitInstrumented("injected"));
  const std::string log = Cluster::Log(own(), "injected");
  EXPECT_THAT(log, HasSubstr("k8s.pod.name=injected\n"));
  // What the init container copied is the tenant's layer.
  EXPECT_THAT(
      Cluster::Exec(
          own(), "injected",
          {"cat",
           "/var/lib/dynatrace/oneagent/agent/config/ruxitagentproc.conf"})
          .out,
      HasSubstr("tenant abc12345"));
}

}  // namespace
}  // namespace oneagent
