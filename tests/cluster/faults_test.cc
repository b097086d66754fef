// What breaks while pods run: daemons, kubelet, the API server, power, disk.
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/cluster/cluster_fixture.h"

namespace oneagent {
namespace {

using testing::HasSubstr;

constexpr char kMounter[] = "oneagent-csi-mounter";
constexpr char kProvisioner[] = "oneagent-csi-provisioner";

class FaultsTest : public ClusterTest {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    WantAgent(kFirstAgentVersion);
    ASSERT_TRUE(AwaitAgent(kFirstAgentVersion));
    Start(Pod("runs"));
    ASSERT_TRUE(AwaitInstrumented("runs"));
  }

  std::string Restarts(const std::string& pod) const {
    return Cluster::Get(own(), absl::StrCat("pod/", pod),
                        "{.status.containerStatuses[0].restartCount}");
  }
  // A process of the pod that is there starts with the agent.
  void ExpectStillInstrumented(const std::string& pod) const {
    EXPECT_THAT(Cluster::Exec(own(), pod, {"id"}).err,
                HasSubstr(AgentLine(kFirstAgentVersion)));
    EXPECT_EQ(CountMounts(UidOf(pod)), 1);
  }
  static void Kill(const std::string& program) {
    const std::string pid = Cluster::PidOf(program);
    ASSERT_NE(pid, "");
    Cluster::Must({"exec", "kill", "-KILL", pid});
    ASSERT_TRUE(WaitUntil([&] {
      const std::string next = Cluster::PidOf(program);
      return !next.empty() && next != pid;
    }));
  }
};

// Alone, for `doctor` tells of volumes that are empty.
using FailOpenTest = ClusterTest;

TEST_F(FailOpenTest, APodStartsWithoutAnAgentWhenNoneCanBeHad) {
  WantAgent("1.399.0.20260101-000001");  // the tenant has no such version
  AppPod pod = Pod("patient");
  pod.retry_timeout = "3s";
  Start(pod);
  ASSERT_TRUE(WaitUntil([&] {
    return Cluster::Get(own(), "pod/patient", "{.status.phase}") == "Running";
  }));
  // Neither the agent nor the dynamic loader says a word.
  const ProgramResult process = Cluster::Exec(own(), "patient", {"id", "-u"});
  EXPECT_EQ(process.out, "0\n");
  EXPECT_EQ(process.err, "");
  EXPECT_TRUE(WaitUntil([&] {
    return absl::StrContains(Cluster::Describe(own(), "patient"),
                             "AgentNotInjected");
  })) << Cluster::Describe(own(), "patient");
}

TEST_F(FailOpenTest, AnUnknownDynaKubeBlocksNoPod) {
  AppPod pod = Pod("lost");
  pod.dynakube = "nobody";
  pod.retry_timeout = "0s";
  Start(pod);
  ASSERT_TRUE(WaitUntil([&] {
    return Cluster::Get(own(), "pod/lost", "{.status.phase}") == "Running";
  }));
  EXPECT_TRUE(WaitUntil([&] {
    return absl::StrContains(Cluster::Describe(own(), "lost"),
                             "nobody DynaKube");
  })) << Cluster::Describe(own(), "lost");
  EXPECT_THAT(Cluster::Log(own(), "lost"),
              testing::Not(HasSubstr("agent loaded")));
}

// Kubelet makes the subPath, the runtime the nested mounts' places.
TEST_F(FailOpenTest, PodsThatMountIntoTheirVolumeStart) {
  for (const bool read_only : {false, true}) {
    AppPod pod = Pod(read_only ? "read-only" : "writable");
    pod.dynakube = "nobody";
    pod.retry_timeout = "0s";
    pod.read_only = read_only;
    Cluster::Apply(NestingPodManifest(pod));
  }
  for (const char* const pod : {"read-only", "writable"}) {
    EXPECT_TRUE(WaitUntil([&] {
      return absl::StrContains(Cluster::Log(own(), pod),
                               "all mounts are there");
    })) << Cluster::Describe(own(), pod)
        << Cluster::Log(own(), pod);
  }
}

TEST_F(FaultsTest, PodsOutliveTheMounter) {
  Kill(kMounter);
  ExpectStillInstrumented("runs");
  Start(Pod("next"));
  EXPECT_TRUE(AwaitInstrumented("next"));
  EXPECT_EQ(Restarts("runs"), "0");
  EXPECT_TRUE(Cluster::AwaitDriver());
}

// Kubelet waits for the mounter's answer while everything else goes: what it
// then needs is on the node.
TEST_F(FaultsTest, CachedAgentsAreServedWithoutApiServer) {
  const std::string mounter = Cluster::PidOf(kMounter);
  Cluster::Must({"exec", "kill", "-STOP", mounter});
  Start(Pod("next"));
  const std::string uid = UidOf("next");
  EXPECT_TRUE(WaitUntil([&] {
    return Cluster::Run(
               {"exec", "test", "-e",
                absl::StrCat("/var/lib/kubelet/pods/", uid, "/volumes")})
               .exit_code == 0;
  }));
  Cluster::Must({"kill", "kube-apiserver"});
  Kill(kProvisioner);
  Cluster::Must({"exec", "kill", "-CONT", mounter});
  const auto log = [&] {
    return Cluster::Run({"exec", "sh", "-c",
                         absl::StrCat("cat /var/log/pods/*", uid, "/a/*.log")})
        .out;
  };
  EXPECT_TRUE(WaitUntil([&] {
    return absl::StrContains(log(), AgentLine(kFirstAgentVersion));
  })) << log();
  EXPECT_NE(Cluster::Run({"kubectl", "get", "--raw", "/readyz"}).exit_code, 0);
  Cluster::Must({"start", "kube-apiserver"});
  EXPECT_TRUE(WaitUntil([] {
    return Cluster::Run({"kubectl", "get", "--raw", "/readyz"}).exit_code == 0;
  }));
  EXPECT_TRUE(Cluster::AwaitDriver());
  ExpectStillInstrumented("runs");
  ExpectStillInstrumented("next");
}

TEST_F(FaultsTest, KubeletRestartsWithoutASecondMount) {
  Cluster::Must({"stop", "kubelet"});
  Cluster::Must({"start", "kubelet"});
  Start(Pod("next"));
  EXPECT_TRUE(AwaitInstrumented("next"));
  ExpectStillInstrumented("runs");
  EXPECT_EQ(Restarts("runs"), "0");
}

TEST_F(FaultsTest, PodsComeBackInstrumentedAfterAPowerCut) {
  AppPod writer = Pod("writes");
  writer.read_only = false;
  Start(writer);
  ASSERT_TRUE(AwaitInstrumented("writes"));
  const std::string uid = UidOf("runs");
  Cluster::Must({"reboot"});
  for (const std::string pod : {"runs", "writes"}) {
    EXPECT_TRUE(WaitUntil([&] {
      return Restarts(pod) == "1" &&
             absl::StrContains(Cluster::Log(own(), pod),
                               AgentLine(kFirstAgentVersion));
    })) << Cluster::Describe(own(), pod);
  }
  EXPECT_EQ(UidOf("runs"), uid);
  EXPECT_EQ(CountMounts(uid), 1);
  EXPECT_TRUE(Cluster::AwaitDriver());
}

// What no one wants and no pod leases goes, and its bytes with it.
TEST_F(FaultsTest, AnOldVersionIsCollected) {
  const auto kib = [] {
    const std::string out = Cluster::Must(
        {"exec", "du", "-sk", absl::StrCat(Cluster::kDataDir, "/agents")});
    int number = 0;
    EXPECT_TRUE(absl::SimpleAtoi(out.substr(0, out.find('\t')), &number));
    return number;
  };
  const auto has = [](const std::string& version) {
    return absl::StrContains(Cluster::Cli({"agents"}).out, version);
  };
  tenant().Serve(kSecondAgentVersion, /*filler_mib=*/32);
  WantAgent(kSecondAgentVersion);
  ASSERT_TRUE(AwaitAgent(kSecondAgentVersion));
  Start(Pod("big"));
  ASSERT_TRUE(AwaitInstrumented("big", kSecondAgentVersion));
  const int with_both = kib();
  WantAgent(kFirstAgentVersion);
  ASSERT_TRUE(AwaitAgent(kFirstAgentVersion));
  EXPECT_TRUE(has(kSecondAgentVersion)) << "a pod of it runs";
  Delete("big");
  EXPECT_TRUE(WaitUntil([&] { return !has(kSecondAgentVersion); }))
      << Cluster::Cli({"agents"}).out;
  EXPECT_TRUE(WaitUntil([&] { return kib() < with_both - 30 * 1024; }))
      << with_both << " KiB, now " << kib();
  ExpectStillInstrumented("runs");
}

}  // namespace
}  // namespace oneagent
