#include "tests/e2e/node.h"

#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/durable_file.h"
#include "gtest/gtest.h"

namespace oneagent {
namespace {

constexpr char kVolumeName[] = "oneagent-bin";
constexpr char kBootId[] = "/proc/sys/kernel/random/boot_id";

std::string Program(absl::string_view name) {
  return absl::StrCat(ONEAGENT_BIN_DIR, "/", name);
}

// The zips of both versions, made once for all tests of this program.
const std::string& PackageDir() {
  static const auto* const kDir = [] {
    auto* const made = new std::string((std::filesystem::temp_directory_path() /
                                        absl::StrCat("oa-packages-", getpid()))
                                           .string());
    std::filesystem::create_directories(*made);
    for (const char* const version :
         {kFirstAgentVersion, kSecondAgentVersion}) {
      WriteAgentPackage(ONEAGENT_TEST_AGENTS, version, *made, /*filler_mib=*/1);
    }
    atexit([] {
      std::error_code error;
      std::filesystem::remove_all(PackageDir(), error);
    });
    return made;
  }();
  return *kDir;
}

}  // namespace

std::string AgentLine(const std::string& pod, const std::string& version) {
  return absl::StrCat("agent loaded tenant=abc12345 pod=", pod,
                      " version=", version, "\n");
}

std::map<std::string, std::string> AttributesOf(const PodVolume& volume) {
  std::map<std::string, std::string> attributes = volume.attributes;
  attributes["mode"] = volume.mode;
  attributes["dynakube"] = volume.dynakube;
  if (!volume.retry_timeout.empty()) {
    attributes["retryTimeout"] = volume.retry_timeout;
  }
  if (volume.mode == "app") {
    attributes.emplace("conf.general.podName", volume.pod);
  }
  return attributes;
}

Node::Node()
    : disk_((EnterPrivateMountNamespace(), dir_.path())),
      layout_(dir_.Path("data")),
      source_({absl::StrCat("--dynakube-dir=", dir_.Path("dynakubes"))}),
      kubelet_dir_(dir_.MakeDir("kubelet")),
      client_(socket()),
      fresh_client_(socket(), TestCsiClient::Connections::kOnePerCall) {
  dir_.MakeDir("kubelet/pods");
  dir_.MakeDir("dynakubes");
  tenant_.Update([](ServedTenant& state) {
    for (const char* const version :
         {kFirstAgentVersion, kSecondAgentVersion}) {
      state.agents[version].path =
          absl::StrCat(PackageDir(), "/", version, ".zip");
    }
  });
}

Node::~Node() {
  if (provisioner_ != nullptr) provisioner_->Terminate();
  if (mounter_ != nullptr) mounter_->Terminate();
  EXPECT_EQ(MountCount(), 0) << "left mounted below " << kubelet_dir_;
  if (testing::Test::HasFailure()) {
    std::cerr << "--- mounter\n" << MounterLog();
    std::cerr << "--- provisioner\n" << ProvisionerLog();
    LoseMounts();
  }
  for (; reboots_ > 0; --reboots_) umount2(kBootId, MNT_DETACH);
}

std::string Node::DynaKubeManifests(const DynaKubeOptions& options) const {
  return absl::StrCat(
      "apiVersion: dynatrace.com/v1beta6\nkind: DynaKube\n"
      "metadata: {name: ",
      options.name,
      ", namespace: dynatrace}\n"
      "spec:\n  apiUrl: ",
      tenant_.api_url(), "\n", options.extra_spec,
      "  oneAgent:\n    applicationMonitoring: {",
      options.version.empty() ? "" : absl::StrCat("version: ", options.version),
      "}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: ", options.name,
      ", namespace: dynatrace}\nstringData: {apiToken: ", options.token, "}\n");
}

void Node::ApplyDynaKube(const DynaKubeOptions& options) {
  const std::string path =
      dir_.Path(absl::StrCat("dynakubes/", options.name, ".yaml"));
  EXPECT_TRUE(WriteFileAtomically(path, DynaKubeManifests(options), 0600,
                                  Durability::kNoSync)
                  .ok());
}

void Node::SetSource(std::vector<std::string> flags) {
  source_ = std::move(flags);
}

CsiPod Node::PodOf(const std::string& name) const {
  const auto found = pod_uids_.find(name);
  return {.name = name,
          .namespace_name = "shop",
          .uid = found == pod_uids_.end() ? "uid-" + name : found->second};
}

void Node::SetPodUid(const std::string& pod, const std::string& uid) {
  pod_uids_[pod] = uid;
}

void Node::DeleteDynaKube(const std::string& name) {
  EXPECT_TRUE(
      RemoveFileIfPresent(dir_.Path(absl::StrCat("dynakubes/", name, ".yaml")))
          .ok());
}

void Node::StartMounter(const std::vector<std::string>& flags,
                        const std::function<void()>& before_exec) {
  mounter_.reset();
  std::vector<std::string> argv = {
      Program("oneagent-csi-mounter"),
      absl::StrCat("--endpoint=unix://", socket()),
      absl::StrCat("--data-dir=", layout_.data_dir()),
      absl::StrCat("--kubelet-dir=", kubelet_dir_), "--node-id=node-1"};
  argv.insert(argv.end(), flags.begin(), flags.end());
  mounter_ =
      std::make_unique<Daemon>(argv, dir_.Path("mounter.log"), before_exec);
  EXPECT_TRUE(WaitUntil([this] {
    return fresh_client_.Probe().ok() || !mounter_->IsRunning();
  })) << MounterLog();
}

void Node::StartProvisioner(const std::vector<std::string>& flags) {
  provisioner_.reset();
  std::vector<std::string> argv = {
      Program("oneagent-csi-provisioner"),
      absl::StrCat("--data-dir=", layout_.data_dir())};
  argv.insert(argv.end(), source_.begin(), source_.end());
  argv.insert(argv.end(), flags.begin(), flags.end());
  provisioner_ = std::make_unique<Daemon>(argv, dir_.Path("provisioner.log"));
}

void Node::Reboot() {
  if (provisioner_ != nullptr) provisioner_->Kill();
  if (mounter_ != nullptr) mounter_->Kill();
  LoseMounts();
  ++reboots_;
  const std::string boot_id = dir_.WriteFile(
      absl::StrCat("boot-", reboots_),
      absl::StrCat("11111111-2222-3333-4444-55555555555", reboots_, "\n"));
  EXPECT_EQ(mount(boot_id.c_str(), kBootId, nullptr, MS_BIND, nullptr), 0);
}

void Node::DeleteIndex() {
  for (const char* const suffix : {"", "-wal", "-shm"}) {
    EXPECT_TRUE(
        RemoveFileIfPresent(absl::StrCat(layout_.IndexFile(), suffix)).ok());
  }
}

void Node::LoseMounts() {
  for (const MountEntry& entry : Mounts()) {
    umount2(entry.mount_point.c_str(), MNT_DETACH);
  }
}

int Node::ProvisionOnce(const std::vector<std::string>& flags) {
  std::vector<std::string> all = {"--once"};
  all.insert(all.end(), flags.begin(), flags.end());
  StartProvisioner(all);
  return provisioner_->Wait();
}

int Node::PortOf(const std::string& flag, const std::string& log) {
  int port = 0;
  for (const absl::string_view line : absl::StrSplit(log, '\n')) {
    if (!absl::StrContains(line, absl::StrCat("listening flag=", flag, " "))) {
      continue;
    }
    const size_t at = line.rfind("port=");
    if (!absl::SimpleAtoi(line.substr(at + 5), &port)) port = 0;
  }
  return port;
}

std::string Node::MounterLog() const {
  return mounter_ == nullptr ? "" : mounter_->Log();
}
std::string Node::ProvisionerLog() const {
  return provisioner_ == nullptr ? "" : provisioner_->Log();
}

absl::Status Node::Publish(const PodVolume& volume) {
  CsiPublishCall call = KubeletPublishCall(kubelet_dir_, PodOf(volume.pod),
                                           kVolumeName, AttributesOf(volume));
  call.volume_id = VolumeId(volume.pod);
  call.read_only = volume.read_only;
  MakeKubeletDirs(call.target_path);
  return client_.Publish(call);
}

absl::Status Node::Unpublish(const std::string& pod) {
  return client_.Unpublish(VolumeId(pod), Target(pod));
}

absl::StatusOr<CsiVolumeStats> Node::Stats(const std::string& pod) {
  return client_.GetVolumeStats(VolumeId(pod), Target(pod));
}

std::string Node::VolumeId(const std::string& pod) {
  return absl::StrCat("csi-", pod);
}

std::string Node::PodDir(const std::string& pod) const {
  return absl::StrCat(kubelet_dir_, "/pods/uid-", pod);
}

std::string Node::Target(const std::string& pod) const {
  return KubeletTarget(kubelet_dir_, PodOf(pod), kVolumeName);
}

std::vector<MountEntry> Node::Mounts() const {
  auto table = ReadMountTable();
  EXPECT_TRUE(table.ok()) << table.status();
  if (!table.ok()) return {};
  std::erase_if(*table, [this](const MountEntry& entry) {
    return !absl::StartsWith(entry.mount_point, kubelet_dir_);
  });
  return *std::move(table);
}

int Node::MountCount() const { return static_cast<int>(Mounts().size()); }

void Node::RemovePodDir(const std::string& pod) {
  std::error_code error;
  std::filesystem::remove_all(PodDir(pod), error);
  EXPECT_FALSE(error) << error.message();
}

ProgramResult Node::RunIn(const std::string& pod) const {
  return RunAt(Target(pod));
}

ProgramResult Node::RunAt(const std::string& target) {
  return RunProgram(
      {"/bin/true"},
      {absl::StrCat("LD_PRELOAD=", target, "/agent/lib64/liboneagentproc.so")});
}

std::string Node::AgentLog(const std::string& pod) const {
  return ReadTestFile(absl::StrCat(Target(pod), "/log/agent.log"));
}

ProgramResult Node::Cli(const std::vector<std::string>& words) const {
  std::vector<std::string> argv = {
      Program("oneagent-csi"), absl::StrCat("--data-dir=", layout_.data_dir())};
  argv.insert(argv.end(), words.begin(), words.end());
  return RunProgram(argv);
}

bool Node::WaitUntil(const std::function<bool()>& done) {
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (!done()) {
    if (absl::Now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

bool Node::WaitForVersion(const std::string& version,
                          const std::string& dynakube) const {
  return WaitUntil([&] {
    const std::optional<TenantRow> tenant = Tenant(dynakube);
    if (!tenant.has_value() || tenant->state != TenantState::kReady) {
      return false;
    }
    for (const AgentRow& agent : Agents()) {
      if (agent.id == tenant->agent_id && agent.version == version) return true;
    }
    return false;
  });
}

bool Node::WaitForState(TenantState state, const std::string& dynakube) const {
  return WaitUntil([&] {
    const std::optional<TenantRow> tenant = Tenant(dynakube);
    return tenant.has_value() && tenant->state == state;
  });
}

bool Node::WaitForReconciled() const {
  return WaitUntil([&] {
    const std::unique_ptr<Index> index = OpenIndex();
    if (index == nullptr) return false;
    const auto reconciled = index->ReconciledBootId();
    return reconciled.ok() && !reconciled->empty();
  });
}

std::unique_ptr<Index> Node::OpenIndex() const {
  auto index = Index::Open({.data_dir = layout_.data_dir(), .read_only = true});
  return index.ok() ? *std::move(index) : nullptr;
}

std::optional<TenantRow> Node::Tenant(const std::string& dynakube) const {
  const std::unique_ptr<Index> index = OpenIndex();
  if (index == nullptr) return std::nullopt;
  const auto tenant = index->GetTenant(dynakube);
  return tenant.ok() ? *tenant : std::nullopt;
}

std::optional<VolumeRow> Node::Volume(const std::string& pod) const {
  return VolumeOfId(VolumeId(pod));
}

std::optional<VolumeRow> Node::VolumeOfId(const std::string& volume_id) const {
  const std::unique_ptr<Index> index = OpenIndex();
  if (index == nullptr) return std::nullopt;
  const auto volume = index->GetVolume(volume_id);
  return volume.ok() ? *volume : std::nullopt;
}

std::vector<AgentRow> Node::Agents() const {
  const std::unique_ptr<Index> index = OpenIndex();
  if (index == nullptr) return {};
  auto agents = index->ListAgents();
  return agents.ok() ? *std::move(agents) : std::vector<AgentRow>();
}

}  // namespace oneagent
