// Unpublish, step by step. It deletes nothing before every mount is verified
// gone, and answers OK only when the target is gone.
//
//   1  look the volume up: memory, index, volume.json. Unknown is fine
//   2  unmount everything on the request's target and, where it differs, on
//      the recorded one; then what an old reference driver mounted beside it
//      for a volume that is not on record. Never lazily. Busy: Unavailable,
//      nothing is deleted
//   3  rmdir the target. What is in it is deleted only if the volume was
//      published empty there (a bare directory, into which its pod wrote, or
//      one that was full already and was covered): kubelet owns the pod's
//      directory and the pod is going. No other target is ever emptied
//      died here: a lease without mount; kubelet calls again, or the collector
//      finds the pod's directory gone
//   4  delete the row, and with it the lease
//   5  volumes/<v> to trash, where it stays for a minute at least: a
//      container's private mount namespace may still show the layers
//
// A failpoint "unpublish:<n>" stands after each step.
//
// What a target may be, so that no pod is ever stuck and nothing foreign is
// ever touched:
//   - below the kubelet's directory, or below whatever --target-check allows:
//     whatever is mounted there is unmounted, also for an unknown volume (it
//     may be what another driver left);
//   - its parent is gone: so is the target, OK;
//   - anywhere else nothing of ours can be: OK when nothing is there, else
//     InvalidArgument and nothing is touched. kubelet never asks for that.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/failpoint.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "cache/index/records.h"
#include "csi/publisher.h"
#include "csi/volume_dir.h"

namespace oneagent {
namespace {

absl::Status Unavailable(const absl::Status& status) {
  return WithCode(status, absl::StatusCode::kUnavailable);
}

// `form` is why the path is none of ours.
absl::Status ForeignTarget(absl::string_view path, const absl::Status& form) {
  if (absl::StrContains(path, '\0')) return form;
  const absl::StatusOr<bool> exists = PathExists(std::string(path));
  return exists.ok() && !*exists ? absl::OkStatus() : form;
}

}  // namespace

absl::Status Publisher::TakeDown(absl::string_view volume_id,
                                 absl::string_view requested,
                                 const std::optional<VolumeRow>& known) {
  std::vector<std::string> paths = {std::string(requested)};
  if (known && known->target != requested) paths.push_back(known->target);
  std::vector<ResolvedTarget> targets;
  for (const std::string& path : paths) {
    const absl::Status form = targets_.Check(path, /*pod_uid=*/"");
    if (!form.ok()) {
      RETURN_IF_ERROR(ForeignTarget(path, form));
      continue;
    }
    absl::StatusOr<ResolvedTarget> target = targets_.Resolve(path);
    if (absl::IsNotFound(target.status())) continue;
    if (!target.ok()) return Unavailable(target.status());
    targets.push_back(*std::move(target));
  }
  for (const ResolvedTarget& target : targets) {
    RETURN_IF_ERROR(Unavailable(mounter_.Unmount(target.target())));
  }
  if (!known && IsVolumeId(volume_id)) {
    RETURN_IF_ERROR(Unavailable(reference_.UnmountMapped(volume_id)));
  }
  Failpoint("unpublish:2");
  for (const ResolvedTarget& target : targets) {
    RETURN_IF_ERROR(Unavailable(Remove(volume_id, target.target(), known)));
  }
  Failpoint("unpublish:3");
  return absl::OkStatus();
}

absl::Status Publisher::Remove(absl::string_view volume_id,
                               const MountTarget& target,
                               const std::optional<VolumeRow>& known) {
  const absl::Status removed = RemoveTarget(target);
  if (!absl::IsFailedPrecondition(removed) ||
      !WasPublishedEmpty(volume_id, target.path, known)) {
    return removed;
  }
  return DeleteTarget(target);
}

// The row, or the record where the index did not take it. Of whatever boot:
// the directory outlives it.
bool Publisher::WasPublishedEmpty(absl::string_view volume_id,
                                  const std::string& path,
                                  const std::optional<VolumeRow>& known) {
  const auto is_empty = [&path](const VolumeRow& row) {
    return row.state == VolumeState::kEmpty && row.target == path;
  };
  if (known && is_empty(*known)) return true;
  if (!IsVolumeId(volume_id)) return false;
  const absl::StatusOr<VolumeRow> record = ReadVolumeRecord(layout_, volume_id);
  return record.ok() && is_empty(*record);
}

// From here on the pod is free to go, whatever happens to our books: a row
// that stays only leases too long, until the collector sees that the pod's
// directory is gone, and so does a directory that stays.
void Publisher::Strike(absl::string_view volume_id) {
  (void)index_.ReleaseLease(volume_id, clock_.Now());
  Failpoint("unpublish:4");
  (void)TrashVolumeDir(layout_, volume_id);
  Failpoint("unpublish:5");
  Forget(volume_id);
}

UnpublishResult Publisher::Unpublish(absl::string_view volume_id,
                                     absl::string_view target_path) {
  const absl::StatusOr<std::optional<VolumeRow>> known = Recall(volume_id);
  UnpublishResult result{.status = absl::OkStatus(),
                         .known = known.ok() ? *known : std::nullopt};
  Failpoint("unpublish:1");
  result.status = TakeDown(volume_id, target_path, result.known);
  if (!result.status.ok() || !IsVolumeId(volume_id)) return result;
  if (known.ok()) {
    Strike(volume_id);
  } else if (options_.request_reconcile) {
    // Its record cannot be read and may name another target: what is mounted
    // decides about row and directory.
    options_.request_reconcile();
  }
  return result;
}

}  // namespace oneagent
