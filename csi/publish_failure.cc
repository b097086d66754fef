// What follows a step of publish that failed. The order keeps two promises: a
// lease is given up only when its mount is known to be gone, and the failure
// record survives everything but success, Unpublish and the pod.
//
//   rollback:1  unmount what step 7 may have attached, and see that it is gone
//               (else stop: row, lease and directories stay as they are)
//   rollback:2  rmdir the target
//   rollback:3  row `waiting`, lease released (csi/volume_book.cc)
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

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "csi/fail_open.h"
#include "csi/publisher.h"

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

absl::Status Bounded(const absl::Status& cause) {
  return WithCause(
      absl::UnavailableError(cause.message().substr(0, kMaxReason)),
      CauseOf(cause));
}

}  // namespace

absl::StatusOr<PublishResult> Publisher::Fail(Attempt& attempt,
                                              const absl::Status& cause) {
  const absl::Status answer = Bounded(cause);
  const Verdict& before = attempt.before;
  // What is on record may be mounted: the record, and so the lease, stays.
  if (before.fate == Fate::kInDoubt && !before.volume.id.empty() &&
      before.volume.state != VolumeState::kWaiting) {
    return answer;
  }
  const absl::Status rolled_back = RollBack(attempt);
  if (!rolled_back.ok()) {
    return WithCause(
        absl::UnavailableError(absl::StrCat(
            answer.message(), "; roll back: ", rolled_back.message())),
        CauseOf(cause));
  }
  VolumeRow failed = attempt.row;
  failed.state = VolumeState::kWaiting;
  failed.agent_id.clear();
  failed.config_id.clear();
  failed.host_storage.clear();
  failed.since = context_.clock.Now();
  failed.reason = std::string(answer.message());
  failed.cause = CauseOf(answer);
  // Left behind, they are used again or replaced by the next attempt. What is
  // mounted, by whomever, may be made of them.
  const bool is_target_free =
      before.fate != Fate::kForeign && before.fate != Fate::kInDoubt;
  failed = context_.book.PutWaiting(failed, is_target_free
                                                ? VolumeBook::Layers::kToTrash
                                                : VolumeBook::Layers::kKeep);
  if (!IsTimeToFailOpen(attempt.request, failed)) return answer;
  absl::StatusOr<PublishResult> empty = PublishEmpty(attempt, failed);
  if (empty.ok()) return empty;
  return WithCause(
      absl::UnavailableError(absl::StrCat(
          answer.message(), "; publish empty: ", empty.status().message())),
      CauseOf(cause));
}

absl::Status Publisher::RollBack(Attempt& attempt) {
  if (attempt.progress == Progress::kMountBegun) {
    RETURN_IF_ERROR(context_.mounter.Unmount(*attempt.target));
  }
  Failpoint("rollback:1");
  if (attempt.progress != Progress::kNothing) {
    // What is not empty was there before us and is not ours to delete.
    RemoveTarget(*attempt.target).IgnoreError();
  }
  Failpoint("rollback:2");
  return absl::OkStatus();
}

bool Publisher::IsTimeToFailOpen(const PublishRequest& request,
                                 const VolumeRow& failed) {
  // Nothing will come that is worth waiting for.
  if (options_.drain) return true;
  // Without the index only the limits that come with the call count.
  const int32_t limit =
      context_.index.MaxAttempts(request.dynakube).value_or(0);
  return ShouldFailOpen({.first_failure = failed.first_failure_uptime,
                         .attempts = failed.attempts},
                        {.retry_timeout = request.retry_timeout,
                         .node_attempts = options_.max_mount_attempts,
                         .dynakube_attempts = limit},
                        context_.clock.Uptime());
}

absl::StatusOr<PublishResult> Publisher::PublishEmpty(const Attempt& attempt,
                                                      VolumeRow row) {
  if (attempt.target == nullptr) {
    return absl::UnavailableError(
        absl::StrCat(row.target, ": its directory cannot be opened"));
  }
  const MountTarget& target = *attempt.target;
  const absl::Status made = MakeTarget(target);
  // A directory that somebody filled is covered, not emptied: not now, and not
  // by Unpublish.
  if (!made.ok() && !IsDirectory(target)) return made;
  row.covers = !made.ok();
  Failpoint("empty:1");
  row.state = VolumeState::kEmpty;
  context_.book.PutEmptyRecord(row);
  Failpoint("empty:2");
  // Fails also where something foreign is mounted: that stays, and the pod
  // starts with it. So it does with a bare directory.
  context_.mounter
      .MountEmpty({.reason = row.reason,
                   .read_only = row.read_only,
                   .has_preload_stub = options_.empty_volume_stub},
                  target)
      .IgnoreError();
  Failpoint("empty:3");
  context_.book.PutEmptyRow(row);
  Failpoint("empty:4");
  return PublishResult{
      .outcome = PublishOutcome::kEmpty,
      .agent_id = "",
      .reason = row.reason,
      .cause = row.cause,
      .failures = row.attempts,
      .waited = context_.clock.Uptime() - row.first_failure_uptime};
}

}  // namespace oneagent
