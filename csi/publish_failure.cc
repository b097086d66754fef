// What follows a step of publish that failed. The order keeps two promises: a
// lease is given up only when its mount is known to be gone, and the failure
// record survives everything but success, Unpublish and the pod.
//
//   rollback:1  unmount what step 7 may have attached, and see that it is gone
//               (else stop: row, lease and directories stay as they are)
//   rollback:2  rmdir the target
//   rollback:3  row `waiting`: failure counted, lease released
//   rollback:4  pod/, upper/, work/ to trash
//   rollback:5  volume.json `waiting`
//
// Then, if the pod has waited long enough, the volume is published empty:
//
//   empty:1  target directory
//   empty:2  volume.json `empty`: the intent, so that a mount without a row
//            is known for ours
//   empty:3  tmpfs with its marker; failing that, the bare directory
//   empty:4  row `empty` and its notice
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "csi/fail_open.h"
#include "csi/publisher.h"
#include "csi/volume_dir.h"

namespace oneagent {
namespace {

// Kernel and index texts are short; this bounds what a record may hold.
constexpr size_t kMaxReason = 1024;

bool IsDirectory(const MountTarget& target) {
  struct stat info;
  return fstatat(target.parent_fd, target.name.c_str(), &info,
                 AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0 &&
         S_ISDIR(info.st_mode);
}

}  // namespace

absl::StatusOr<PublishResult> Publisher::Fail(Attempt& attempt,
                                              const absl::Status& cause) {
  const std::string reason(cause.message().substr(0, kMaxReason));
  if (attempt.record_in_use) return absl::UnavailableError(reason);
  const absl::Status detached = Detach(attempt);
  if (!detached.ok()) {
    return absl::UnavailableError(
        absl::StrCat(reason, "; roll back: ", detached.message()));
  }
  const VolumeRow failed = CountFailure(attempt, reason);
  if (!IsTimeToFailOpen(attempt, failed)) {
    return absl::UnavailableError(reason);
  }
  const absl::Status opened = PublishEmpty(attempt, failed);
  if (!opened.ok()) {
    return absl::UnavailableError(
        absl::StrCat(reason, "; publish empty: ", opened.message()));
  }
  return PublishResult{.outcome = PublishOutcome::kEmpty,
                       .agent_id = "",
                       .reason = reason,
                       .failures = failed.attempts,
                       .waited = clock_.Now() - failed.first_failure_at};
}

absl::Status Publisher::Detach(Attempt& attempt) {
  if (attempt.may_be_mounted) {
    RETURN_IF_ERROR(mounter_.Unmount(*attempt.target));
  }
  Failpoint("rollback:1");
  // What is not empty was there before us and is not ours to delete.
  if (attempt.target_made) (void)RemoveTarget(*attempt.target);
  Failpoint("rollback:2");
  return absl::OkStatus();
}

VolumeRow Publisher::CountFailure(Attempt& attempt, const std::string& reason) {
  const absl::Time now = clock_.Now();
  VolumeRow row = attempt.row;
  row.state = VolumeState::kWaiting;
  row.agent_id.clear();
  row.config_id.clear();
  row.host_storage.clear();
  row.since = now;
  row.reason = reason;
  row.attempts = attempt.known ? attempt.known->attempts : 0;
  row.first_failure_at =
      attempt.known ? attempt.known->first_failure_at : absl::InfinitePast();
  if (attempt.waiting_since) {
    // It has failed since then, only without a turn to say so.
    row.first_failure_at =
        row.first_failure_at == absl::InfinitePast()
            ? *attempt.waiting_since
            : std::min(row.first_failure_at, *attempt.waiting_since);
  }
  absl::StatusOr<VolumeRow> recorded = index_.RecordFailure(row, now);
  Failpoint("rollback:3");
  if (recorded.ok()) {
    row = *recorded;
  } else {
    attempt.index_unusable = absl::IsUnavailable(recorded.status());
    ++row.attempts;
    if (row.first_failure_at == absl::InfinitePast()) {
      row.first_failure_at = now;
    }
  }
  if (row.first_failure_at > now) {
    // The clock was set back: wait from now, not from a time to come.
    row.first_failure_at = now;
    if (!attempt.index_unusable) (void)index_.PutVolume(row);
  }
  // Left behind, they are used again or replaced by the next attempt. What is
  // mounted, by whomever, may be made of them.
  if (attempt.target_free) (void)TrashLayers(layout_, row.id);
  Failpoint("rollback:4");
  (void)SaveVolumeRecord(layout_, row);
  Failpoint("rollback:5");
  // A full disk takes neither record nor row: then this process counts. With
  // the record alone it counts too, because the index's row is an older one.
  if (recorded.ok()) {
    Forget(row.id);
  } else {
    Remember(row);
  }
  return row;
}

bool Publisher::IsTimeToFailOpen(const Attempt& attempt,
                                 const VolumeRow& failed) {
  // Nothing will come that is worth waiting for.
  if (options_.drain) return true;
  // Without the index only the limits that come with the call count.
  const absl::StatusOr<int32_t> limit =
      attempt.index_unusable ? 0 : index_.MaxAttempts(attempt.row.dynakube);
  return ShouldFailOpen({.first_failure_at = failed.first_failure_at,
                         .attempts = failed.attempts},
                        {.retry_timeout = attempt.request.retry_timeout,
                         .node_attempts = options_.max_mount_attempts,
                         .dynakube_attempts = limit.ok() ? *limit : 0},
                        clock_.Now());
}

absl::Status Publisher::PublishEmpty(const Attempt& attempt, VolumeRow row) {
  if (attempt.target == nullptr) {
    return absl::UnavailableError(
        absl::StrCat(row.target, ": its directory cannot be opened"));
  }
  const MountTarget& target = *attempt.target;
  const absl::Status made = MakeTarget(target);
  // A directory that somebody filled is covered, not emptied.
  if (!made.ok() && !IsDirectory(target)) return made;
  Failpoint("empty:1");
  row.state = VolumeState::kEmpty;
  (void)SaveVolumeRecord(layout_, row);
  Failpoint("empty:2");
  // Fails also where something foreign is mounted: that stays, and the pod
  // starts with it. So it does with a bare directory.
  (void)mounter_.MountEmpty(row.reason, target);
  Failpoint("empty:3");
  const bool marked =
      !attempt.index_unusable && index_.MarkEmpty(row, clock_.Now()).ok();
  Failpoint("empty:4");
  if (marked) {
    Forget(row.id);
  } else {
    // Also with the record on disk: the notice is still owed. Housekeeping
    // has the index take it when it can.
    Remember(row);
  }
  return absl::OkStatus();
}

}  // namespace oneagent
