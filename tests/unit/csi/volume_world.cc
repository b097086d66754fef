#include "tests/unit/csi/volume_world.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/sha256.h"
#include "csi/app_view.h"
#include "gtest/gtest.h"
#include "overlay/kernel_mounter.h"
#include "overlay/mount_probe.h"
#include "tests/support/private_mounts.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

constexpr char kVolumeName[] = "oneagent";

}  // namespace

VolumeWorld::VolumeWorld(Kernel kernel)
    : kernel_(kernel),
      layout(absl::StrCat(Prepared(dir, kernel), "/data")),
      kubelet(dir.MakeDir("kubelet")) {
  dir.MakeDir("kubelet/pods");
  EXPECT_OK(PrepareDataDir(layout));
  EXPECT_OK(layout.Prepare(Owner::kProvisioner));
  mounter_ = &fake;
  if (kernel_ != Kernel::kNo) {
    const absl::StatusOr<MountWay> way = ProbeMounts(
        layout.ProbeDir(), layout.SkeletonDir(), layout.VolumesDir());
    EXPECT_OK(way);
    if (way.ok()) kernel_mounter_ = std::make_unique<KernelMounter>(way->api);
    mounter_ = kernel_mounter_.get();
  }
  Start();
}

VolumeWorld::~VolumeWorld() {
  Stop();
  if (kernel_ == Kernel::kYesInMemory) {
    EXPECT_EQ(umount2(dir.path().c_str(), 0), 0) << strerror(errno);
  }
}

std::string VolumeWorld::Prepared(const TempDir& dir, Kernel kernel) {
  if (kernel != Kernel::kNo) EnterPrivateMountNamespace();
  if (kernel == Kernel::kYesInMemory) {
    EXPECT_EQ(mount("world", dir.path().c_str(), "tmpfs", 0, nullptr), 0);
  }
  return dir.path();
}

void VolumeWorld::Stop() {
  publisher.reset();
  unpublisher.reset();
  context.reset();
  mounted_volumes.reset();
  book.reset();
  targets.reset();
  index.reset();
}

void VolumeWorld::Start() {
  Stop();
  absl::StatusOr<std::unique_ptr<Index>> opened =
      Index::Open({.data_dir = layout.data_dir(),
                   .read_only = false,
                   .busy_timeout = absl::Milliseconds(20),
                   .on_rebuilt = {}});
  ASSERT_OK(opened);
  index = *std::move(opened);
  absl::StatusOr<std::unique_ptr<TargetResolver>> resolver =
      TargetResolver::Open(kubelet, TargetCheck::kKubelet);
  ASSERT_OK(resolver);
  targets = *std::move(resolver);
  book = std::make_unique<VolumeBook>(layout, boot_id, *index, clock);
  mounted_volumes = std::make_unique<MountedVolumes>(
      layout, kubelet, boot_id, [this] { return ReadTable(); });
  context = std::make_unique<VolumeContext>(
      VolumeContext{.layout = layout,
                    .boot_id = boot_id,
                    .index = *index,
                    .book = *book,
                    .mounter = *mounter_,
                    .targets = *targets,
                    .mounted = *mounted_volumes,
                    .clock = clock,
                    .request_reconcile = [this] { ++reconcile_requests; }});
  publisher = std::make_unique<Publisher>(
      Publisher::Options{.max_mount_attempts = max_attempts_}, *context);
  unpublisher = std::make_unique<Unpublisher>(*context, "");
}

absl::StatusOr<std::vector<MountEntry>> VolumeWorld::ReadTable() const {
  if (mounts) return *mounts;
  return kernel_ == Kernel::kNo ? fake.Table() : ReadMountTable();
}

void VolumeWorld::Restart() { Start(); }

void VolumeWorld::Reboot() {
  fake.LoseMounts();
  boot_id = "boot-2";
  Start();
}

void VolumeWorld::SetMaxAttempts(int32_t attempts) {
  max_attempts_ = attempts;
  Start();
}

void VolumeWorld::DeleteIndex() {
  Stop();
  for (const char* const suffix : {"", "-wal", "-shm"}) {
    std::filesystem::remove(layout.IndexFile() + suffix);
  }
  Start();
}

void VolumeWorld::BreakIndex() {
  // As another process would that rebuilds it and never comes to an end.
  index_lock_.Reset(
      open(layout.IndexLock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_TRUE(index_lock_.ok());
  ASSERT_EQ(flock(index_lock_.get(), LOCK_EX), 0);
}

void VolumeWorld::HealIndex() { index_lock_.Reset(); }

ReconcileResult VolumeWorld::Reconcile() {
  VolumeReconciler reconciler(*context, /*on_change=*/{});
  const absl::StatusOr<ReconcileResult> result = reconciler.RunOnce();
  EXPECT_OK(result);
  return result.ok() ? *result : ReconcileResult{};
}

VolumeCollection VolumeWorld::Collect() {
  VolumeCollector collector({}, *context);
  const absl::StatusOr<VolumeCollection> result =
      collector.RunOnce(clock.Now());
  EXPECT_OK(result);
  return result.ok() ? *result : VolumeCollection{};
}

void VolumeWorld::InstallAgent(const std::string& id,
                               const std::string& version) {
  const std::string tree = absl::StrCat("data/agents/", id);
  dir.WriteFile(absl::StrCat(tree, "/agent/lib64/liboneagentproc.so"), version);
  dir.WriteFile(absl::StrCat(tree, "/", kProcessConfPath),
                "[general]\nfrom agent\n");
  chmod(dir.MakeDir(absl::StrCat(tree, "/log")).c_str(), 01777);
  EXPECT_OK(index->PutAgent({.id = id,
                             .kind = "zip",
                             .version = version,
                             .arch = "x86",
                             .flavor = "default",
                             .source = "",
                             .digest = "",
                             .installed_at = clock.Now(),
                             .last_used_at = clock.Now()}));
}

void VolumeWorld::InstallConfig(const std::string& id, absl::string_view conf) {
  dir.WriteFile(absl::StrCat("data/configs/", id, "/", kProcessConfPath), conf);
  EXPECT_OK(index->PutConfig({.id = id,
                              .dynakube = "dk",
                              .created_at = clock.Now(),
                              .last_used_at = clock.Now()}));
}

void VolumeWorld::SetTenant(const std::string& dynakube,
                            const std::string& agent_id,
                            const std::string& config_id,
                            const std::string& tenant_uuid) {
  EXPECT_OK(index->PutTenant(
      {.dynakube = dynakube,
       .namespace_name = "dynatrace",
       .tenant_uuid = tenant_uuid,
       .agent_id = agent_id,
       .config_id = config_id,
       .version = "",
       .state = agent_id.empty() ? TenantState::kWaiting : TenantState::kReady,
       .reason = "",
       .updated_at = clock.Now()}));
}

void VolumeWorld::DeleteTenantAt(const std::string& dynakube, absl::Time at) {
  const absl::StatusOr<std::optional<TenantRow>> tenant =
      index->GetTenant(dynakube);
  ASSERT_OK(tenant);
  ASSERT_TRUE(tenant->has_value());
  TenantRow row = **tenant;
  row.deleted_at = at;
  EXPECT_OK(index->PutTenant(row));
}

std::string VolumeWorld::PodUid(int pod) const {
  return absl::StrCat("00000000-0000-0000-0000-00000000000", pod);
}

std::string VolumeWorld::Target(int pod) const {
  return absl::StrCat(kubelet, "/pods/", PodUid(pod),
                      "/volumes/kubernetes.io~csi/", kVolumeName, "/mount");
}

std::string VolumeWorld::VolumeId(int pod) const {
  return absl::StrCat("csi-", Sha256Hex(PodUid(pod) + kVolumeName));
}

PublishRequest VolumeWorld::Request(int pod) {
  dir.MakeDir(absl::StrCat("kubelet/pods/", PodUid(pod),
                           "/volumes/kubernetes.io~csi/", kVolumeName));
  return PublishRequest{.volume_id = VolumeId(pod),
                        .target_path = Target(pod),
                        .dynakube = "dk",
                        .pod = absl::StrCat("pod-", pod),
                        .namespace_name = "shop",
                        .pod_uid = PodUid(pod),
                        .service_account = "",
                        .conf = {}};
}

void VolumeWorld::RemovePodDirectory(int pod) {
  std::filesystem::remove_all(absl::StrCat(kubelet, "/pods/", PodUid(pod)));
}

std::optional<VolumeRow> VolumeWorld::Row(const std::string& id) {
  const absl::StatusOr<std::optional<VolumeRow>> row = index->GetVolume(id);
  EXPECT_OK(row);
  return row.ok() ? *row : std::nullopt;
}

std::string VolumeWorld::StateOf(const std::string& id) {
  const std::optional<VolumeRow> row = Row(id);
  return row ? Name(row->state) : "none";
}

bool VolumeWorld::IsMounted(int pod) {
  const absl::StatusOr<ResolvedTarget> target = targets->Resolve(Target(pod));
  if (absl::IsNotFound(target.status())) return false;
  EXPECT_OK(target);
  if (!target.ok()) return false;
  const absl::StatusOr<bool> mounted = mounter_->IsMounted(target->target());
  EXPECT_OK(mounted);
  return mounted.ok() && *mounted;
}

bool VolumeWorld::Exists(const std::string& path) const {
  const absl::StatusOr<bool> exists = PathExists(path);
  EXPECT_OK(exists);
  return exists.ok() && *exists;
}

std::vector<std::string> VolumeWorld::VolumeFiles(const std::string& id) const {
  const absl::StatusOr<std::vector<std::string>> names =
      ListDirectory(layout.VolumeDir(id));
  return names.ok() ? *names : std::vector<std::string>{};
}

void VolumeWorld::AgeTrash() {
  for (const std::string& name : Trash()) {
    const std::string path = absl::StrCat(layout.TrashVolumes(), "/", name);
    // Ahead of this boot's clock.
    std::filesystem::rename(path, absl::StrCat(path, "-9000000000000000"));
  }
}

std::vector<std::string> VolumeWorld::Trash() const {
  const absl::StatusOr<std::vector<std::string>> names =
      ListDirectory(layout.TrashVolumes());
  EXPECT_OK(names);
  return names.ok() ? *names : std::vector<std::string>{};
}

int64_t VolumeWorld::LeasesOf(const std::string& agent_id) {
  const absl::StatusOr<std::optional<AgentRow>> agent =
      index->GetAgent(agent_id);
  EXPECT_OK(agent);
  return agent.ok() && agent->has_value() ? (*agent)->leases : -1;
}

}  // namespace oneagent
