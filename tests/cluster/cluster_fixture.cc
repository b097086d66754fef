#include "tests/cluster/cluster_fixture.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace oneagent {
namespace {

constexpr char kApiToken[] = "cluster-test-token";

// "TwoTenantsAtOnce" -> "two-tenants-at-once", a name for objects.
std::string ObjectName(const std::string& test) {
  std::string name;
  for (const char c : test) {
    const bool is_upper = c >= 'A' && c <= 'Z';
    if (is_upper && !name.empty()) name.push_back('-');
    name.push_back(c);
  }
  name = absl::AsciiStrToLower(name).substr(0, 40);
  return std::string(absl::StripSuffix(name, "-"));
}

std::string MountTable() {
  return Cluster::Must({"exec", "cat", "/proc/self/mountinfo"});
}

}  // namespace

ClusterTenant::ClusterTenant(std::string uuid) : uuid_(std::move(uuid)) {
  dir_.WriteFile(
      "tenant.json",
      absl::StrCat("{\"token\": \"", kApiToken,
                   "\", \"connectionInfo\": {\"tenantUUID\": \"", uuid_,
                   "\", \"tenantToken\": \"cluster-tenant-token\", "
                   "\"communicationEndpoints\": [\"https://127.0.0.1:1\"]}}"));
  server_ = std::make_unique<Daemon>(
      std::vector<std::string>{ONEAGENT_CLUSTER_DIR "/cluster.sh", "net",
                               ONEAGENT_TENANT_API, "--address", kNodeAddress,
                               "--state-dir", dir_.path()},
      dir_.Path("log"));
  const bool serves =
      WaitUntil([this] { return absl::StrContains(server_->Log(), "\n"); });
  EXPECT_TRUE(serves) << server_->Log();
  api_url_ = std::string(absl::StripSuffix(server_->Log(), "\n"));
}

void ClusterTenant::Serve(const std::string& version, int filler_mib) {
  // Complete before it can be seen.
  const std::string made = dir_.MakeDir("made");
  WriteAgentPackage(ONEAGENT_TEST_AGENTS, version, made, filler_mib);
  std::filesystem::rename(absl::StrCat(made, "/", version, ".zip"),
                          dir_.Path(absl::StrCat(version, ".zip")));
}

void ClusterTest::SetUp() {
  own_ =
      ObjectName(testing::UnitTest::GetInstance()->current_test_info()->name());
  Cluster::Kubectl({"create", "namespace", own_});
  // Its service account comes a moment later, and pods want it.
  ASSERT_TRUE(WaitUntil([this] {
    return Cluster::Get(own_, "serviceaccounts", "{.items[*].metadata.name}") ==
           "default";
  }));
  tenant_ = std::make_unique<ClusterTenant>("abc12345");
  tenant_->Serve(kFirstAgentVersion);
}

void ClusterTest::TearDown() {
  if (HasFailure()) KeepDiagnostics();
  NoteUids();
  Cluster::Kubectl({"delete", "namespace", own_, "--timeout=180s"});
  for (const std::string& name : dynakubes_) {
    Cluster::Kubectl({"delete", "-n", kDriverNamespace,
                      absl::StrCat("dynakube/", name),
                      absl::StrCat("secret/", name)});
  }
  ExpectNothingLeft();
}

void ClusterTest::NoteUids() {
  const std::string found =
      Cluster::Get(own_, "pods", "{.items[*].metadata.uid}");
  for (const absl::string_view uid :
       absl::StrSplit(found, ' ', absl::SkipEmpty())) {
    uids_.emplace_back(uid);
  }
}

void ClusterTest::ExpectNothingLeft() {
  EXPECT_EQ(Cluster::Get(own_, "pods", "{.items[*].metadata.name}"), "");
  const std::string mounts = MountTable();
  for (const std::string& uid : uids_) {
    EXPECT_FALSE(absl::StrContains(mounts, uid)) << mounts;
  }
  // Beside this test others may run, whose volumes are empty or wait.
  ProgramResult doctor;
  EXPECT_TRUE(WaitUntil([&] {
    doctor = Cluster::Cli({"doctor", "--endpoint=unix:///csi/csi.sock"});
    return doctor.exit_code == 0;
  })) << doctor.out
      << doctor.err;
}

void ClusterTest::KeepDiagnostics() const {
  const char* const base = getenv("CLUSTER_DIAGNOSTICS");
  const std::string dir =
      absl::StrCat(base == nullptr ? "/tmp" : base, "/", own_);
  std::filesystem::create_directories(dir);
  const auto keep = [&](const std::string& file,
                        const std::vector<std::string>& words) {
    const ProgramResult result = Cluster::Run(words);
    std::ofstream(absl::StrCat(dir, "/", file)) << result.out << result.err;
  };
  keep("pods.txt", {"kubectl", "get", "pods", "-A", "-o", "wide"});
  keep("describe.txt", {"kubectl", "describe", "pods", "-n", own_});
  keep("driver.txt", {"kubectl", "describe", "pods,ds", "-n", "dynatrace"});
  for (const std::string container : {"mounter", "provisioner"}) {
    keep(container + ".log", {"kubectl", "logs", "-n", "dynatrace",
                              "ds/oneagent-csi", "-c", container});
  }
  keep("mounts.txt", {"exec", "cat", "/proc/self/mountinfo"});
  for (const std::string verb : {"volumes", "agents", "tenants", "doctor"}) {
    const ProgramResult result = Cluster::Cli({verb});
    std::ofstream(absl::StrCat(dir, "/", verb, ".txt"))
        << result.out << result.err;
  }
  for (const std::string& pod : Pods()) {
    keep(pod + ".log", {"kubectl", "logs", "-n", own_, pod});
  }
}

void ClusterTest::ApplyDynaKube(const std::string& name,
                                const ClusterTenant& tenant,
                                const std::string& version) {
  if (std::find(dynakubes_.begin(), dynakubes_.end(), name) ==
      dynakubes_.end()) {
    dynakubes_.push_back(name);
  }
  Cluster::Apply(DynaKubeManifest(name, tenant.api_url(), version, kApiToken));
}

bool ClusterTest::AwaitAgent(const std::string& version) const {
  return WaitUntil([&] {
    const std::string tenants = Cluster::Cli({"tenants"}).out;
    for (const absl::string_view line : absl::StrSplit(tenants, '\n')) {
      const std::vector<std::string> words =
          absl::StrSplit(line, ' ', absl::SkipEmpty());
      if (words.size() > 4 && words[0] == own_ && words[3] == version &&
          words[4] == "ready") {
        return true;
      }
    }
    return false;
  });
}

std::string ClusterTest::AgentLine(const std::string& version) const {
  return absl::StrCat("agent loaded tenant=", tenant_->uuid(),
                      " pod=unknown version=", version);
}

bool ClusterTest::AwaitInstrumented(const std::string& pod,
                                    const std::string& version) const {
  return WaitUntil([&] {
    return absl::StrContains(Cluster::Log(own_, pod), AgentLine(version));
  });
}

std::vector<std::string> ClusterTest::Pods() const {
  const std::string found = Cluster::Get(
      own_, "pods",
      "{range .items[*]}{.metadata.name}={.metadata.deletionTimestamp} {end}");
  std::vector<std::string> names;
  for (absl::string_view word : absl::StrSplit(found, ' ', absl::SkipEmpty())) {
    if (absl::ConsumeSuffix(&word, "=")) names.emplace_back(word);
  }
  return names;
}

int ClusterTest::CountMounts(const std::string& pod_uid) {
  const std::string target =
      absl::StrCat("/var/lib/kubelet/pods/", pod_uid,
                   "/volumes/kubernetes.io~csi/oneagent-bin/mount ");
  int count = 0;
  for (const absl::string_view line : absl::StrSplit(MountTable(), '\n')) {
    count += absl::StrContains(line, target) ? 1 : 0;
  }
  return count;
}

}  // namespace oneagent
