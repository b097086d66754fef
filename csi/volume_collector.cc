// A volume is collected in this order, under its key:
//   1  see again that pod directory and target are gone
//   2  delete the row, and with it the lease
//   3  volumes/<v> to trash
//      died before: a directory without a row, found by the next run
#include "csi/volume_collector.h"

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/failpoint.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "base/trash.h"
#include "cache/index/records.h"
#include "csi/host_storage.h"
#include "csi/volume_dir.h"

namespace oneagent {

VolumeCollector::VolumeCollector(Options options, Layout layout, Index& index,
                                 Mounter& mounter,
                                 const TargetResolver& targets,
                                 VolumeGuard guard)
    : options_(std::move(options)),
      layout_(std::move(layout)),
      index_(index),
      mounter_(mounter),
      targets_(targets),
      guard_(std::move(guard)) {}

absl::StatusOr<VolumeCollection> VolumeCollector::RunOnce(absl::Time now) {
  VolumeCollection result;
  absl::Status first_error;
  const absl::StatusOr<std::string> boot_id = index_.ReconciledBootId();
  first_error.Update(boot_id.status());
  if (boot_id.ok() && *boot_id == options_.boot_id) {
    first_error.Update(CollectVolumes(now, result));
    first_error.Update(CollectHostStorage(now, result));
  } else {
    result.in_doubt = true;
  }
  const absl::StatusOr<TrashResult> trash = EmptyTrash(
      layout_.TrashVolumes(), now - options_.trash_age, options_.stopped);
  first_error.Update(trash.status());
  if (!first_error.ok()) return first_error;
  result.trees = trash->trees;
  result.bytes = trash->bytes;
  return result;
}

absl::Status VolumeCollector::CollectVolumes(absl::Time now,
                                             VolumeCollection& result) {
  ASSIGN_OR_RETURN(const std::vector<VolumeRow> rows, index_.ListVolumes());
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   ListDirectory(layout_.VolumesDir()));
  std::set<std::string> without_row;
  for (const std::string& name : names) {
    if (IsVolumeId(name)) without_row.insert(name);
  }
  std::set<std::string> candidates;
  for (const VolumeRow& row : rows) {
    without_row.erase(row.id);
    if (IsGone(row)) candidates.insert(row.id);
  }
  candidates.merge(without_row);
  absl::Status first_error;
  for (const std::string& id : candidates) {
    absl::Status collected;
    // A volume that is busy is not gone.
    guard_(id, [&] { collected = CollectVolume(id, now, result); });
    first_error.Update(Annotate(collected, absl::StrCat("volume ", id)));
  }
  return first_error;
}

absl::Status VolumeCollector::CollectVolume(const std::string& id,
                                            absl::Time now,
                                            VolumeCollection& result) {
  ASSIGN_OR_RETURN(std::optional<VolumeRow> row, index_.GetVolume(id));
  if (!row) {
    absl::StatusOr<VolumeRow> record = ReadVolumeRecord(layout_, id);
    // Without a record nobody knows whose it is: the reconciler decides.
    if (!record.ok()) return absl::OkStatus();
    row = *std::move(record);
  }
  if (!IsGone(*row)) return absl::OkStatus();
  Failpoint("collect-volume:1");
  RETURN_IF_ERROR(index_.ReleaseLease(id, now));
  Failpoint("collect-volume:2");
  RETURN_IF_ERROR(TrashVolumeDir(layout_, id));
  ++result.volumes;
  if (options_.on_change) options_.on_change(id, VolumeChange::kCollected);
  return absl::OkStatus();
}

bool VolumeCollector::IsGone(const VolumeRow& row) {
  const absl::StatusOr<ResolvedTarget> target = targets_.Resolve(row.target);
  if (row.pod_uid.empty()) {
    // Recovered from the mount table without its pod: its mount is all it has.
    if (!target.ok()) return absl::IsNotFound(target.status());
    const absl::StatusOr<bool> mounted = mounter_.IsMounted(target->target());
    return mounted.ok() && !*mounted;
  }
  const absl::StatusOr<bool> has_pod = targets_.PodDirectoryExists(row.pod_uid);
  return has_pod.ok() && !*has_pod && absl::IsNotFound(target.status());
}

absl::StatusOr<std::set<std::string>> VolumeCollector::DeletedDynakubes(
    absl::Time now) {
  ASSIGN_OR_RETURN(const std::vector<TenantRow> tenants, index_.ListTenants());
  std::set<std::string> deleted;
  for (const TenantRow& tenant : tenants) {
    if (tenant.deleted_at != absl::InfinitePast() &&
        now - tenant.deleted_at >= options_.host_grace) {
      deleted.insert(tenant.dynakube);
    }
  }
  return deleted;
}

absl::StatusOr<std::set<std::string>> VolumeCollector::UsedHostStorages() {
  ASSIGN_OR_RETURN(const std::vector<VolumeRow> rows, index_.ListVolumes());
  ASSIGN_OR_RETURN(const std::vector<MountEntry> mounts,
                   options_.read_mounts());
  std::set<std::string> used;
  for (const VolumeRow& row : rows) used.insert(row.host_storage);
  for (const MountEntry& mount : mounts) {
    // The table names a bind's directory from the root of its file system,
    // which is at or above host/.
    used.insert(mount.root.substr(mount.root.rfind('/') + 1));
  }
  return used;
}

absl::Status VolumeCollector::CollectHostStorage(absl::Time now,
                                                 VolumeCollection& result) {
  ASSIGN_OR_RETURN(const std::set<std::string> candidates,
                   DeletedDynakubes(now));
  if (candidates.empty()) return absl::OkStatus();
  // No publish chooses a storage while this one is judged.
  ASSIGN_OR_RETURN(const HostLock lock, HostLock::Acquire(layout_));
  ASSIGN_OR_RETURN(const std::set<std::string> deleted, DeletedDynakubes(now));
  ASSIGN_OR_RETURN(const std::set<std::string> used, UsedHostStorages());
  // The index may have been replaced since this run began: then its rows say
  // nothing.
  ASSIGN_OR_RETURN(const std::string boot_id, index_.ReconciledBootId());
  if (boot_id != options_.boot_id) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<HostStorage> storages,
                   ListHostStorages(layout_));
  absl::Status first_error;
  for (const HostStorage& storage : storages) {
    if (deleted.count(storage.dynakube) == 0 || used.count(storage.name) > 0) {
      continue;
    }
    const absl::Status trashed = TrashHostStorage(layout_, storage.name);
    if (trashed.ok()) ++result.host_storages;
    first_error.Update(
        Annotate(trashed, absl::StrCat("host storage ", storage.name)));
  }
  return first_error;
}

}  // namespace oneagent
