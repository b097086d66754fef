// A volume is collected in this order, under its key:
//   1  see again that pod directory and target are gone
//   2  delete the row, and with it the lease
//   3  volumes/<v> to trash
//      died before: a directory without a row, found by the next run
#include "csi/volume_collector.h"

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
#include "csi/host_storage.h"

namespace oneagent {

VolumeCollector::VolumeCollector(Options options, const VolumeContext& context,
                                 VolumeGuard guard)
    : options_(std::move(options)),
      context_(context),
      guard_(std::move(guard)) {}

absl::StatusOr<VolumeCollection> VolumeCollector::RunOnce(absl::Time now) {
  VolumeCollection result;
  absl::Status first_error;
  const absl::StatusOr<std::string> boot_id = context_.index.ReconciledBootId();
  first_error.Update(boot_id.status());
  if (boot_id.ok() && *boot_id == context_.boot_id) {
    first_error.Update(CollectVolumes(result));
    first_error.Update(CollectHostStorage(now, result));
  } else {
    result.in_doubt = true;
  }
  const absl::StatusOr<TrashResult> trash = EmptyTrash(
      context_.layout.TrashVolumes(), options_.trash_age, options_.stopped);
  first_error.Update(trash.status());
  if (!first_error.ok()) return first_error;
  result.trees = trash->trees;
  result.bytes = trash->bytes;
  return result;
}

absl::Status VolumeCollector::CollectVolumes(VolumeCollection& result) {
  ASSIGN_OR_RETURN(const std::vector<std::string> ids, context_.book.ListIds());
  std::vector<std::string> candidates;
  for (const std::string& id : ids) {
    Evidence evidence{.target = TargetView::kGone};
    RETURN_IF_ERROR(
        context_.book.Read(id, VolumeBook::Depth::kTrustRows, evidence));
    const Verdict verdict = Judge(evidence, context_.boot_id);
    if (!verdict.volume.id.empty() && IsGone(verdict.volume)) {
      candidates.push_back(id);
    }
  }
  if (candidates.empty()) return absl::OkStatus();
  // Whether a volume is gone is not for paths alone to say: its pod's directory
  // may have been renamed or covered. In doubt nothing goes.
  ASSIGN_OR_RETURN(const MountedVolumes::Shown shown, context_.mounted.List());
  absl::Status first_error;
  for (const std::string& id : candidates) {
    absl::Status collected;
    // A volume that is busy is not gone.
    guard_(id, [&] { collected = CollectVolume(id, shown, result); });
    first_error.Update(Annotate(collected, absl::StrCat("volume ", id)));
  }
  return first_error;
}

absl::Status VolumeCollector::CollectVolume(const std::string& id,
                                            const MountedVolumes::Shown& shown,
                                            VolumeCollection& result) {
  Evidence evidence{.target = TargetView::kGone};
  RETURN_IF_ERROR(context_.book.Read(id, VolumeBook::Depth::kAll, evidence));
  const VolumeRow volume = Judge(evidence, context_.boot_id).volume;
  // Without a row or record nobody knows whose it is: the reconciler decides.
  if (volume.id.empty() || !IsGone(volume) || MayBeMounted(shown, volume)) {
    return absl::OkStatus();
  }
  Failpoint("collect-volume:1");
  RETURN_IF_ERROR(context_.book.DropRow(id));
  Failpoint("collect-volume:2");
  RETURN_IF_ERROR(context_.book.DropDirectory(id));
  ++result.volumes;
  if (options_.on_change) options_.on_change(id, VolumeChange::kCollected);
  return absl::OkStatus();
}

bool VolumeCollector::IsGone(const VolumeRow& row) {
  const TargetView target = ViewOf(context_, row.target);
  if (row.pod_uid.empty()) {
    // Recovered from the mount table without its pod: its mount is all it has.
    return target == TargetView::kGone || target == TargetView::kDirectory;
  }
  const absl::StatusOr<bool> has_pod =
      context_.targets.PodDirectoryExists(row.pod_uid);
  return has_pod.ok() && !*has_pod && target == TargetView::kGone;
}

absl::StatusOr<std::set<std::string>> VolumeCollector::DeletedDynakubes(
    absl::Time now) {
  ASSIGN_OR_RETURN(const std::vector<TenantRow> tenants,
                   context_.index.ListTenants());
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
  ASSIGN_OR_RETURN(const std::vector<VolumeRow> rows,
                   context_.index.ListVolumes());
  ASSIGN_OR_RETURN(const std::vector<std::string> bound,
                   context_.mounted.BoundStorages());
  std::set<std::string> used(bound.begin(), bound.end());
  for (const VolumeRow& row : rows) used.insert(row.host_storage);
  return used;
}

absl::Status VolumeCollector::CollectHostStorage(absl::Time now,
                                                 VolumeCollection& result) {
  ASSIGN_OR_RETURN(const std::set<std::string> candidates,
                   DeletedDynakubes(now));
  if (candidates.empty()) return absl::OkStatus();
  // No publish chooses a storage while this one is judged.
  ASSIGN_OR_RETURN(const HostLock lock, HostLock::Acquire(context_.layout));
  ASSIGN_OR_RETURN(const std::set<std::string> deleted, DeletedDynakubes(now));
  ASSIGN_OR_RETURN(const std::set<std::string> used, UsedHostStorages());
  // The index may have been replaced since this run began: then its rows say
  // nothing.
  ASSIGN_OR_RETURN(const std::string boot_id,
                   context_.index.ReconciledBootId());
  if (boot_id != context_.boot_id) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<HostStorage> storages,
                   ListHostStorages(context_.layout));
  absl::Status first_error;
  for (const HostStorage& storage : storages) {
    if (deleted.count(storage.dynakube) == 0 || used.count(storage.name) > 0) {
      continue;
    }
    const absl::Status trashed =
        TrashHostStorage(context_.layout, storage.name);
    if (trashed.ok()) ++result.host_storages;
    first_error.Update(
        Annotate(trashed, absl::StrCat("host storage ", storage.name)));
  }
  return first_error;
}

}  // namespace oneagent
