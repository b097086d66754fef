// Unpublish, step by step. It deletes nothing before every mount is verified
// gone, and answers OK only when the target is gone.
//
//   1  read what is known of the volume. Unknown is fine
//   2  unmount everything on the request's target and, where it differs, on
//      the recorded one; then what an old reference driver mounted beside it
//      for a volume that is not on record. Never lazily. Busy: Unavailable,
//      nothing is deleted
//   3  rmdir the target. What is in it is deleted only if the volume was
//      published empty there, in a bare directory of ours: then its pod wrote
//      it. What stood there before us is kept, and named
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
#include "csi/unpublisher.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/failpoint.h"
#include "base/posix_status.h"
#include "base/status_macros.h"

namespace oneagent {
namespace {

absl::Status Unavailable(const absl::Status& status, Cause cause) {
  return WithCode(WithCause(status, cause), absl::StatusCode::kUnavailable);
}

// `form` is why the path is none of ours.
absl::Status ForeignTarget(absl::string_view path, const absl::Status& form) {
  if (absl::StrContains(path, '\0')) return form;
  const absl::StatusOr<bool> exists = PathExists(std::string(path));
  return exists.ok() && !*exists ? absl::OkStatus() : form;
}

// Of whatever boot: the directory outlives it.
bool MayEmptyTarget(const Verdict& before, const MountTarget& target) {
  return before.volume.state == VolumeState::kEmpty && !before.volume.covers &&
         before.volume.target == target.path;
}

}  // namespace

Unpublisher::Unpublisher(const VolumeContext& context,
                         std::string reference_data_dir)
    : context_(context),
      reference_(std::move(reference_data_dir), context.mounter) {}

absl::StatusOr<std::vector<ResolvedTarget>> Unpublisher::ResolveAll(
    const std::vector<std::string>& paths) const {
  std::vector<ResolvedTarget> targets;
  for (const std::string& path : paths) {
    const absl::Status form = context_.targets.Check(path, /*pod_uid=*/"");
    if (!form.ok()) {
      RETURN_IF_ERROR(ForeignTarget(path, form));
      continue;
    }
    absl::StatusOr<ResolvedTarget> target = context_.targets.Resolve(path);
    if (absl::IsNotFound(target.status())) continue;
    if (!target.ok()) return Unavailable(target.status(), Cause::kTarget);
    targets.push_back(*std::move(target));
  }
  return targets;
}

absl::Status Unpublisher::TakeDown(absl::string_view volume_id,
                                   const std::vector<ResolvedTarget>& targets,
                                   const Verdict& before) {
  for (const ResolvedTarget& target : targets) {
    const absl::Status unmounted = context_.mounter.Unmount(target.target());
    if (!unmounted.ok()) {
      return Unavailable(unmounted, absl::IsUnavailable(unmounted)
                                        ? Cause::kBusy
                                        : Cause::kMount);
    }
  }
  if (before.volume.id.empty() && IsVolumeId(volume_id)) {
    RETURN_IF_ERROR(
        Unavailable(reference_.UnmountMapped(volume_id), Cause::kMount));
  }
  Failpoint("unpublish:2");
  for (const ResolvedTarget& target : targets) {
    absl::Status removed = RemoveTarget(target.target());
    if (absl::IsFailedPrecondition(removed) &&
        MayEmptyTarget(before, target.target())) {
      removed = DeleteTarget(target.target());
    }
    RETURN_IF_ERROR(Unavailable(removed, Cause::kTarget));
  }
  Failpoint("unpublish:3");
  return absl::OkStatus();
}

UnpublishResult Unpublisher::Unpublish(absl::string_view volume_id,
                                       absl::string_view target_path) {
  Evidence evidence{.target = TargetView::kDirectory};
  // Without the index the record tells.
  context_.book.Read(volume_id, VolumeBook::Depth::kAll, evidence)
      .IgnoreError();
  // As it will be once nothing is mounted: what is there goes in any case.
  const Verdict before = Judge(evidence, context_.boot_id);
  UnpublishResult result{.status = absl::OkStatus(), .known = std::nullopt};
  if (!before.volume.id.empty()) result.known = before.volume;
  Failpoint("unpublish:1");
  std::vector<std::string> paths = {std::string(target_path)};
  if (result.known && result.known->target != target_path) {
    paths.push_back(result.known->target);
  }
  const absl::StatusOr<std::vector<ResolvedTarget>> targets = ResolveAll(paths);
  result.status =
      targets.ok() ? TakeDown(volume_id, *targets, before) : targets.status();
  if (!result.status.ok() || !IsVolumeId(volume_id)) return result;
  if (before.volume.id.empty() && context_.book.HasRecord(volume_id)) {
    // A record that cannot be read may name another target: what is mounted
    // decides about row and directory.
    context_.request_reconcile();
    return result;
  }
  // From here on the pod is free to go, whatever happens to our books: a row
  // that stays only leases too long, until the collector sees that the pod's
  // directory is gone, and so does a directory that stays.
  context_.book.DropRow(volume_id).IgnoreError();
  Failpoint("unpublish:4");
  context_.book.DropDirectory(volume_id).IgnoreError();
  Failpoint("unpublish:5");
  return result;
}

}  // namespace oneagent
