// The chart while pods run: upgrade, uninstall, another owner of the CSIDriver,
// a disk of its own; and what its two containers may do.
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/cluster/cluster_fixture.h"

namespace oneagent {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char kRelease[] = "oneagent-csi";

class InstallTest : public ClusterTest {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    WantAgent(kFirstAgentVersion);
  }
  // helm VERB of the chart as ./dev e2e installs it, with `values` set besides.
  void Helm(const std::string& verb, const std::vector<std::string>& values) {
    std::vector<std::string> words = {
        "helm",        verb,
        kRelease,      ONEAGENT_CHART,
        "--namespace", kDriverNamespace,
        "--values",    ONEAGENT_CLUSTER_DIR "/values.yaml"};
    for (const std::string& value : values) {
      words.insert(words.end(), {"--set", value});
    }
    Cluster::Must(words);
    Cluster::Kubectl({"rollout", "status", "-n", kDriverNamespace,
                      "daemonset/oneagent-csi", "--timeout=120s"});
    ASSERT_TRUE(Cluster::AwaitDriver());
  }
};

TEST_F(InstallTest, PodsOutliveAnUpgrade) {
  Start(Pod("runs"));
  ASSERT_TRUE(AwaitInstrumented("runs"));
  const std::string old_driver =
      Cluster::Get(kDriverNamespace, "pods", "{.items[0].metadata.uid}");
  Helm("upgrade", {"logLevel=debug"});
  EXPECT_NE(Cluster::Get(kDriverNamespace, "pods", "{.items[0].metadata.uid}"),
            old_driver);
  EXPECT_THAT(Cluster::Exec(own(), "runs", {"id"}).err,
              HasSubstr(AgentLine(kFirstAgentVersion)));
  Start(Pod("next"));
  EXPECT_TRUE(AwaitInstrumented("next"));
  Delete("runs");
  Helm("upgrade", {});
}

TEST_F(InstallTest, PodsThatGoWhileItIsUninstalledGoWithTheNextInstall) {
  Start(Pod("runs"));
  Start(Pod("stays"));
  ASSERT_TRUE(AwaitInstrumented("runs"));
  ASSERT_TRUE(AwaitInstrumented("stays"));
  const std::string uid = UidOf("runs");
  Cluster::Must({"helm", "uninstall", kRelease, "-n", kDriverNamespace,
                 "--wait", "--timeout=2m"});
  EXPECT_THAT(Cluster::Exec(own(), "runs", {"id"}).err,
              HasSubstr(AgentLine(kFirstAgentVersion)));
  Cluster::Kubectl({"delete", "pod", "-n", own(), "runs", "--wait=false"});
  Helm("install", {});
  EXPECT_TRUE(WaitUntil([&] { return UidOf("runs").empty(); }));
  EXPECT_EQ(CountMounts(uid), 0);
  EXPECT_EQ(CountMounts(UidOf("stays")), 1);
  Start(Pod("next"));
  EXPECT_TRUE(AwaitInstrumented("next"));
}

// The operator's chart has a CSIDriver of the same name, which stays its own.
TEST_F(InstallTest, ItServesADriverObjectOfSomebodyElse) {
  Helm("upgrade", {"csiDriver.create=false"});
  EXPECT_EQ(Cluster::Get(kDriverNamespace, "csidrivers", "{.items}"), "[]");
  Cluster::Apply(R"(apiVersion: storage.k8s.io/v1
kind: CSIDriver
metadata:
  name: csi.oneagent.dynatrace.com
  labels: {app.kubernetes.io/managed-by: operator}
spec:
  attachRequired: false
  podInfoOnMount: true
  volumeLifecycleModes: [Ephemeral]
)");
  Cluster::Kubectl({"create", "secret", "generic", "-n", own(),
                    "dynatrace-bootstrapper-config",
                    "--from-literal=ruxitagentproc.json={}"});
  Cluster::Apply(WebhookPodManifest(Pod("injected")));
  EXPECT_TRUE(AwaitInstrumented("injected"));
  Cluster::Kubectl({"delete", "csidriver/csi.oneagent.dynatrace.com"});
  Helm("upgrade", {});
}

TEST_F(InstallTest, ADiskThatIsFullTakesNoAgentAndBreaksNone) {
  constexpr char kDisk[] = "/var/lib/small-disk";
  Cluster::Must({"exec", "mkdir", "-p", kDisk});
  Cluster::Must(
      {"exec", "mount", "-t", "tmpfs", "-o", "size=24m", "small", kDisk});
  Helm("upgrade", {absl::StrCat("dataDir=", kDisk, "/data")});
  Start(Pod("before"));
  ASSERT_TRUE(AwaitInstrumented("before"));

  tenant().Serve(kSecondAgentVersion, /*filler_mib=*/48);
  WantAgent(kSecondAgentVersion);
  EXPECT_TRUE(WaitUntil([] {
    return absl::StrContains(Cluster::Cli({"tenants"}).out,
                             "No space left on device");
  })) << Cluster::Cli({"tenants"}).out;
  EXPECT_THAT(Cluster::Exec(own(), "before", {"id"}).err,
              HasSubstr(AgentLine(kFirstAgentVersion)));
  // New pods get what there is.
  Start(Pod("during"));
  EXPECT_TRUE(AwaitInstrumented("during"));

  Cluster::Must({"exec", "mount", "-o", "remount,size=256m", kDisk});
  EXPECT_TRUE(AwaitAgent(kSecondAgentVersion));
  Start(Pod("after"));
  EXPECT_TRUE(AwaitInstrumented("after", kSecondAgentVersion));
  for (const std::string pod : {"before", "during", "after"}) Delete(pod);
  Helm("upgrade", {});
  Cluster::Must({"exec", "umount", kDisk});
}

// What /proc tells of the processes and of the mounts they see. Their images
// have no program that could read it inside.
std::string Proc(const std::string& program, const std::string& file) {
  return Cluster::Must(
      {"exec", "cat",
       absl::StrCat("/proc/", Cluster::PidOf(program), "/", file)});
}

std::map<std::string, std::string> Status(const std::string& program) {
  std::map<std::string, std::string> status;
  for (const absl::string_view line :
       absl::StrSplit(Proc(program, "status"), '\n')) {
    const std::vector<std::string> words = absl::StrSplit(line, ":\t");
    if (words.size() == 2) status[words[0]] = words[1];
  }
  return status;
}

// Mount points, without what every container has.
std::vector<std::string> MountPoints(const std::string& program) {
  std::vector<std::string> points;
  for (const absl::string_view line :
       absl::StrSplit(Proc(program, "mountinfo"), '\n', absl::SkipEmpty())) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    const std::string& point = words[4];
    if (point == "/" || absl::StartsWith(point, "/proc") ||
        absl::StartsWith(point, "/sys") || absl::StartsWith(point, "/dev") ||
        absl::StartsWith(point, "/var/lib/kubelet/pods/") ||
        point == "/etc/hosts" || point == "/etc/hostname" ||
        point == "/etc/resolv.conf") {
      continue;
    }
    points.push_back(point);
  }
  return points;
}

TEST_F(InstallTest, TheMounterKeepsFourCapabilitiesTheProvisionerNone) {
  Start(Pod("runs"));
  ASSERT_TRUE(AwaitInstrumented("runs"));
  std::map<std::string, std::string> mounter = Status("oneagent-csi-mounter");
  // CHOWN 0, DAC_OVERRIDE 1, FOWNER 3, SYS_ADMIN 21.
  for (const std::string set : {"CapEff", "CapPrm", "CapBnd"}) {
    EXPECT_EQ(mounter[set], "000000000020000b") << set;
  }
  EXPECT_EQ(mounter["CapAmb"], "0000000000000000");
  EXPECT_EQ(mounter["NoNewPrivs"], "1");
  std::map<std::string, std::string> provisioner =
      Status("oneagent-csi-provisioner");
  for (const std::string set :
       {"CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb"}) {
    EXPECT_EQ(provisioner[set], "0000000000000000") << set;
  }
  EXPECT_EQ(provisioner["NoNewPrivs"], "1");
  EXPECT_EQ(provisioner["Seccomp"], "2");

  EXPECT_THAT(MountPoints("oneagent-csi-mounter"),
              testing::UnorderedElementsAre("/csi", "/registration", "/data",
                                            "/var/lib/kubelet/pods"));
  EXPECT_THAT(MountPoints("oneagent-csi-provisioner"),
              testing::UnorderedElementsAre(
                  "/data", "/var/run/secrets/kubernetes.io/serviceaccount"));
  EXPECT_THAT(Proc("oneagent-csi-provisioner", "mountinfo"),
              Not(HasSubstr(" /var/lib/kubelet")));
}

}  // namespace
}  // namespace oneagent
