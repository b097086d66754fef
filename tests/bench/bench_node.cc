#include "tests/bench/bench_node.h"

#include <sys/mount.h>
#include <time.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "cache/index/index.h"
#include "cache/index/records.h"
#include "cache/store/store.h"
#include "overlay/mount_table.h"
#include "tests/support/archive_builder.h"

namespace oneagent {
namespace {

void Require(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << "bench: " << status << "\n";
  abort();
}

template <typename T>
T Required(absl::StatusOr<T> value) {
  Require(value.status());
  return *std::move(value);
}

// A directory that is a mount of its own, without child mounts.
std::string OwnMount(TempDir& dir, absl::string_view name) {
  const std::string path = dir.MakeDir(name);
  if (mount(path.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    perror("bench: bind");
    abort();
  }
  return path;
}

// About the shape of an agent; its size does not matter to a mount.
void BuildArchive(const std::string& path) {
  ArchiveBuilder archive;
  archive.File(kProcessConfPath, "[general]\ntenant none\n");
  for (int i = 0; i < 200; ++i) {
    archive.File(absl::StrCat("agent/bin/1.0/lib-", i, ".so"),
                 std::string(4096, 'x'), 0755);
  }
  archive.Write(ArchiveFormat::kZip, path);
}

}  // namespace

BenchNode::BenchNode(const std::string& mounter_program)
    : mounter_program_(mounter_program),
      disk_((EnterPrivateMountNamespace(), dir_.path())),
      data_dir_(OwnMount(dir_, "data")),
      layout_(data_dir_),
      kubelet_dir_(OwnMount(dir_, "kubelet")) {
  dir_.MakeDir("kubelet/pods");
  const SystemClock clock;
  Require(layout_.Prepare(Owner::kProvisioner));
  {
    const auto index = Required(Index::Open({.data_dir = data_dir_}));
    Store store(layout_, *index, clock, /*boot_id=*/"");
    const AgentIdentity identity = {
        .kind = "zip", .version = "1.0", .arch = "x86", .flavor = "multi"};
    const std::string part = layout_.StagingPart(AgentId(identity));
    BuildArchive(part);
    agent_id_ =
        Required(
            store.InstallAgent(
                identity, {.path = part, .source = "bench", .sha256 = ""}, {}))
            .id;
    config_id_ =
        Required(store.InstallConfig(
                     "bench", {{kProcessConfPath, "[general]\ntenant abc\n"}}))
            .id;
    const TenantRow tenant = {.dynakube = "bench",
                              .namespace_name = "default",
                              .tenant_uuid = "abc",
                              .agent_id = agent_id_,
                              .config_id = config_id_,
                              .version = "1.0",
                              .state = TenantState::kReady,
                              .updated_at = clock.Now()};
    Require(WriteTenantRecord(layout_, tenant));
    Require(index->PutTenant(tenant));
  }
  StartMounter();
}

void BenchNode::StartMounter() {
  mounter_ = std::make_unique<Daemon>(
      std::vector<std::string>{mounter_program_, "--endpoint", socket(),
                               "--data-dir", data_dir_, "--kubelet-dir",
                               kubelet_dir_, "--node-id", "bench",
                               "--log-level", "warning"},
      dir_.Path("mounter.log"));
  TestCsiClient starting(socket(), TestCsiClient::Connections::kOnePerCall);
  for (int i = 0; i < 5000 && !starting.Probe().ok(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  client_ = std::make_unique<TestCsiClient>(socket());
  Require(client_->Probe().status());
}

absl::Duration BenchNode::RestartMounter() {
  mounter_->Kill();
  const absl::Time start = absl::Now();
  StartMounter();
  return absl::Now() - start;
}

BenchNode::~BenchNode() {
  mounter_->Terminate();
  const auto table = ReadMountTable();
  for (const MountEntry& entry : *table) {
    if (absl::StartsWith(entry.mount_point, kubelet_dir_ + "/")) {
      umount2(entry.mount_point.c_str(), MNT_DETACH);
    }
  }
  umount2(kubelet_dir_.c_str(), MNT_DETACH);
  umount2(data_dir_.c_str(), MNT_DETACH);
}

absl::Duration BenchNode::MounterCpu() const {
  clockid_t clock;
  struct timespec used = {};
  if (clock_getcpuclockid(mounter_->pid(), &clock) != 0 ||
      clock_gettime(clock, &used) != 0) {
    perror("bench: CPU clock of the mounter");
    abort();
  }
  return absl::DurationFromTimespec(used);
}

CsiPublishCall BenchNode::CallFor(const std::string& pod) const {
  CsiPublishCall call = KubeletPublishCall(
      kubelet_dir_,
      {.name = pod,
       .namespace_name = "bench",
       .uid = absl::StrCat("uid-", pod)},
      "oneagent-bin", {{"mode", "app"}, {"dynakube", "bench"}});
  call.volume_id = absl::StrCat("csi-", pod);
  return call;
}

}  // namespace oneagent
