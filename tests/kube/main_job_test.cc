// The main job, driven by kubectl and read back by kubectl, with the shipped
// programs: a DynaKube, pods, a switch, a deletion, and what users are told.
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/kube/kube_node_fixture.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class KubeMainJobTest : public KubeNodeTest {
 protected:
  // A pod as the API server has it, which this node runs.
  void StartPod(const std::string& name) {
    MakePod(name);
    node_.SetPodUid(name, UidOf("pod", name, kPodNamespace));
  }
  void DeletePod(const std::string& name) {
    EXPECT_OK(node_.Unpublish(name));
    server().MustKubectl({"delete", "pod", name, "-n", kPodNamespace, "--force",
                          "--grace-period=0"});
  }
  static std::string EventsAbout(const std::string& name,
                                 const std::string& namespace_name) {
    return Get("events.events.k8s.io", namespace_name,
               absl::StrCat("{range .items[?(@.regarding.name==\"", name,
                            "\")]}{.reason}: {.note}{\"\\n\"}{end}"));
  }
  bool WaitForEvent(const std::string& name, const std::string& namespace_name,
                    const std::string& reason) {
    return WaitUntil([&] {
      return absl::StrContains(EventsAbout(name, namespace_name), reason);
    });
  }
};

TEST_F(KubeMainJobTest, FromKubectlApplyToKubectlDescribe) {
  node_.StartMounter();
  node_.StartProvisioner({"--grace-period=0s", "--keep-versions=0"});
  Apply({.name = "demo", .version = kFirstAgentVersion});
  ASSERT_TRUE(node_.WaitForVersion(kFirstAgentVersion));
  EXPECT_TRUE(WaitForEvent("demo", kOwnNamespace, "AgentInstalled"));

  StartPod("old");
  ASSERT_OK(node_.Publish({.pod = "old"}));
  EXPECT_EQ(node_.RunIn("old").exit_code, 0);
  server().MustKubectl(
      {"patch", "dynakube", "demo", "-n", kOwnNamespace, "--type=merge", "-p",
       absl::StrCat(R"({"spec":{"oneAgent":{"applicationMonitoring":)",
                    R"({"version":")", kSecondAgentVersion, R"("}}}})")});
  ASSERT_TRUE(node_.WaitForVersion(kSecondAgentVersion));
  StartPod("new");
  ASSERT_OK(node_.Publish({.pod = "new"}));
  EXPECT_EQ(node_.RunIn("new").exit_code, 0);
  EXPECT_EQ(node_.AgentLog("old"), AgentLine("old", kFirstAgentVersion));
  EXPECT_EQ(node_.AgentLog("new"), AgentLine("new", kSecondAgentVersion));

  // Its volumes live on, its agents go with the last pod.
  Delete("demo");
  EXPECT_TRUE(Node::WaitUntil([this] {
    return node_.Tenant("demo")->deleted_at != absl::InfinitePast();
  }));
  EXPECT_EQ(node_.RunIn("new").exit_code, 0);
  StartPod("late");
  ASSERT_OK(node_.Publish({.pod = "late", .retry_timeout = "0s"}));
  ASSERT_TRUE(WaitForEvent("late", kPodNamespace, "AgentNotInjected"));
  EXPECT_THAT(Describe("pod", "late", kPodNamespace),
              AllOf(HasSubstr("AgentNotInjected"),
                    HasSubstr("no such DynaKube any more")));
  for (const char* const pod : {"old", "new", "late"}) DeletePod(pod);
  EXPECT_TRUE(Node::WaitUntil([this] { return node_.Agents().empty(); }));
}

TEST_F(KubeMainJobTest, WhatNobodyWasThereToTellIsToldLater) {
  node_.StartMounter();
  StartPod("here");
  StartPod("gone");
  ASSERT_OK(node_.Publish(
      {.pod = "here", .dynakube = "nobody", .retry_timeout = "0s"}));
  ASSERT_OK(node_.Publish(
      {.pod = "gone", .dynakube = "nobody", .retry_timeout = "0s"}));
  DeletePod("gone");
  // Only now there is a provisioner, and only then an API server.
  server().KillApiServer();
  node_.StartProvisioner();
  EXPECT_TRUE(WaitForLog("Event cannot be written"));
  server().StartApiServer();
  EXPECT_TRUE(WaitForEvent("here", kPodNamespace, "AgentNotInjected"));
  EXPECT_TRUE(WaitForEvent("gone", kPodNamespace, "AgentNotInjected"));
  EXPECT_THAT(Describe("pod", "here", kPodNamespace),
              AllOf(HasSubstr("AgentNotInjected"), HasSubstr("nobody")));
  DeletePod("here");
}

TEST_F(KubeMainJobTest, AFailureIsToldWithItsCauseAndWithoutSecrets) {
  constexpr char kWrong[] = "dt0c01.WRONG.TOKEN";
  Apply({.name = "demo", .version = kFirstAgentVersion, .token = kWrong});
  node_.StartProvisioner();
  ASSERT_TRUE(WaitForEvent("demo", kOwnNamespace, "AgentInstallFailed"));
  EXPECT_THAT(Describe("dynakube", "demo", kOwnNamespace),
              AllOf(HasSubstr("AgentInstallFailed"), HasSubstr("node node-1"),
                    Not(HasSubstr(kWrong))));
}

TEST_F(KubeMainJobTest, TheStartupTaintGoesWhenPodsCanBeServed) {
  constexpr char kTaint[] = "oneagent/not-ready";
  ApplyManifest("../chart/golden/rbac_taint.yaml");
  server().Apply(absl::StrCat(
      "apiVersion: v1\nkind: Node\nmetadata: {name: ", kNodeName,
      "}\nspec: {taints: [{key: ", kTaint, ", effect: NoSchedule}]}\n"));
  const auto taints = [] {
    return server().MustKubectl(
        {"get", "node", kNodeName, "-o", "jsonpath={.spec.taints[*].key}"});
  };
  Apply({.name = "demo", .version = kFirstAgentVersion});
  node_.StartProvisioner({absl::StrCat("--remove-startup-taint=", kTaint)});
  ASSERT_TRUE(node_.WaitForVersion(kFirstAgentVersion));
  EXPECT_THAT(taints(), HasSubstr(kTaint));  // there is no mounter yet
  node_.StartMounter();
  EXPECT_TRUE(WaitUntil([&] { return !absl::StrContains(taints(), kTaint); }));
  server().MustKubectl({"delete", "node", kNodeName});
}

}  // namespace
}  // namespace oneagent
