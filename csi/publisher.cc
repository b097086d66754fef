// Publish, step by step. The process may die between any two of them; what is
// then on disk, in the index and in the mount table is put in order by the
// next Publish of the same volume, by Unpublish, or by the reconciler.
//
//   1  the target's form is kubelet's (the request has been parsed)
//   2  the caller holds the volume (WorkQueue)
//   3  published for this target already: OK, nothing is touched
//      Else: what the pod of an earlier boot left in the bare directory of an
//      empty volume is deleted
//      died here: volume.json still says so; it is replaced in step 5
//   4  lease: one transaction picks agent and configuration, row `mounting`
//      died here: a row without directory or mount; reconciled away
//   5  directories, pod layer, then volume.json, state `mounting` (5a). It
//      stays so: the record says what is meant to be mounted, the kernel
//      whether it is. Then the target directory
//      died here: the next publish uses or replaces the directories
//   6  overlay (or bind, mode host) built, complete and detached
//      died here: the mount is gone with the process; as after 5
//   7  attached to the target
//      died here: mounted and leased; step 3 finishes step 8
//   8  row `mounted`, failure record gone
//
// A failpoint "publish:<n>" stands after each step, and "publish:5a" between
// record and target directory; that of step 6, which is the mounter's alone, is
// "overlay:built" (overlay/kernel_mounter.cc).
#include "csi/publisher.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "cache/index/records.h"
#include "csi/app_view.h"
#include "csi/host_storage.h"
#include "csi/pod_layer.h"
#include "csi/volume_dir.h"

namespace oneagent {
namespace {

bool IsLeased(const VolumeRow& row) {
  return row.state == VolumeState::kMounting ||
         row.state == VolumeState::kMounted;
}

VolumeRow RowOf(const PublishRequest& request, const std::string& boot_id) {
  return VolumeRow{.id = request.volume_id,
                   .pod = request.pod,
                   .namespace_name = request.namespace_name,
                   .pod_uid = request.pod_uid,
                   .dynakube = request.dynakube,
                   .mode = request.mode,
                   .read_only = request.read_only,
                   .target = request.target_path,
                   .state = VolumeState::kMounting,
                   .agent_id = "",
                   .config_id = "",
                   .host_storage = "",
                   .boot_id = boot_id,
                   .reason = ""};
}

absl::Status MountError(VolumeMode mode, const absl::Status& status) {
  return Annotate(status, mode == VolumeMode::kHost
                              ? "failed to mount osagent volume"
                              : "failed to mount oneagent volume");
}

PublishResult AlreadyPublished(const VolumeRow& row) {
  return PublishResult{.outcome = PublishOutcome::kAlreadyPublished,
                       .agent_id = row.agent_id,
                       .reason = row.reason};
}

}  // namespace

const char* Name(PublishOutcome outcome) {
  switch (outcome) {
    case PublishOutcome::kMounted:
      return "mounted";
    case PublishOutcome::kAlreadyPublished:
      return "already_published";
    case PublishOutcome::kEmpty:
      return "empty";
  }
  return "?";
}

Publisher::Publisher(Options options, Layout layout, Index& index,
                     Mounter& mounter, const TargetResolver& targets,
                     const Clock& clock)
    : options_(std::move(options)),
      layout_(std::move(layout)),
      index_(index),
      mounter_(mounter),
      targets_(targets),
      clock_(clock),
      reference_(options_.reference_data_dir, mounter) {}

absl::StatusOr<PublishResult> Publisher::Publish(
    const PublishRequest& request) {
  RETURN_IF_ERROR(targets_.Check(request.target_path, request.pod_uid));
  Failpoint("publish:1");
  absl::StatusOr<std::optional<VolumeRow>> known = Recall(request.volume_id);
  Attempt attempt{.request = request,
                  .row = RowOf(request, options_.boot_id),
                  .known = known.ok() ? *known : std::nullopt,
                  .waiting_since = TakeWaiting(request.volume_id)};
  // No mount outlives a reboot, and its failures were another boot's: a pod
  // must not lose its agent because it could not have one last week.
  if (attempt.known && attempt.known->boot_id != options_.boot_id) {
    // An index that cannot be written to says so again in step 4.
    (void)index_.ReleaseLease(request.volume_id, clock_.Now());
    attempt.was_empty = WasPublishedEmpty(request.volume_id,
                                          request.target_path, attempt.known);
    attempt.known.reset();
  }
  // A record that cannot be read may be that of a living mount.
  attempt.record_in_use =
      !known.ok() ||
      (attempt.known && attempt.known->state != VolumeState::kWaiting);
  Failpoint("publish:2");
  const absl::StatusOr<ResolvedTarget> resolved =
      targets_.Resolve(request.target_path);
  if (!resolved.ok()) {
    // Without its parent the target is no mount point any more.
    if (absl::IsNotFound(resolved.status())) {
      attempt.record_in_use = false;
      attempt.target_free = true;
    }
    return Fail(attempt, MountError(request.mode, resolved.status()));
  }
  attempt.target = &resolved->target();
  const auto published = FindPublished(attempt);
  if (!published.ok()) {
    return Fail(attempt, MountError(request.mode, published.status()));
  }
  Failpoint("publish:3");
  if (published->has_value()) return **published;
  const absl::Status mounted = Mount(attempt);
  if (!mounted.ok()) return Fail(attempt, mounted);
  Forget(request.volume_id);
  PublishResult result{.outcome = PublishOutcome::kMounted,
                       .agent_id = attempt.row.agent_id,
                       .reason = ""};
  if (attempt.known && attempt.known->attempts > 0) {
    result.failures = attempt.known->attempts;
    result.waited = clock_.Now() - attempt.known->first_failure_at;
  }
  return result;
}

absl::StatusOr<std::optional<VolumeRow>> Publisher::Recall(
    absl::string_view volume_id) {
  const std::optional<VolumeRow> none;
  if (!IsVolumeId(volume_id)) return none;
  {
    MutexLock lock(mu_);
    const auto found = unrecorded_.find(std::string(volume_id));
    if (found != unrecorded_.end()) return std::make_optional(found->second);
  }
  absl::StatusOr<std::optional<VolumeRow>> row = index_.GetVolume(volume_id);
  if (row.ok() && row->has_value()) return row;
  absl::StatusOr<VolumeRow> record = ReadVolumeRecord(layout_, volume_id);
  if (record.ok()) return std::make_optional(*std::move(record));
  // None, or damaged: then what is mounted decides.
  if (absl::IsNotFound(record.status()) ||
      absl::IsInvalidArgument(record.status())) {
    return none;
  }
  return record.status();
}

absl::StatusOr<std::optional<PublishResult>> Publisher::FindPublished(
    Attempt& attempt) {
  if (attempt.known && attempt.known->target != attempt.row.target) {
    RETURN_IF_ERROR(LeaveOldTarget(attempt));
  }
  ASSIGN_OR_RETURN(const bool mounted, mounter_.IsMounted(*attempt.target));
  if (attempt.known && attempt.known->state == VolumeState::kEmpty) {
    return StillEmpty(attempt);
  }
  if (mounted) return JudgeMounted(attempt);
  // No pod of an earlier boot runs, and a full directory takes no agent.
  if (attempt.was_empty) (void)DeleteTarget(*attempt.target);
  attempt.record_in_use = false;
  attempt.target_free = true;
  return std::optional<PublishResult>();
}

// Something is mounted on the target: ours, by a record that names it?
absl::StatusOr<std::optional<PublishResult>> Publisher::JudgeMounted(
    Attempt& attempt) {
  const absl::StatusOr<VolumeRow> record =
      ReadVolumeRecord(layout_, attempt.row.id);
  // Died after empty:3, or the index took nothing then: whatever the row says,
  // it was published empty.
  if (record.ok() && record->state == VolumeState::kEmpty &&
      record->boot_id == options_.boot_id &&
      record->target == attempt.row.target) {
    return AdoptEmpty(attempt, *record);
  }
  if (attempt.known && IsLeased(*attempt.known)) return AdoptMounted(attempt);
  // A record that nobody can read may have named it: nothing of the volume is
  // touched, and the mount table tells the reconciler whose it is.
  if (!record.ok() && !absl::IsNotFound(record.status())) {
    attempt.record_in_use = true;
    if (options_.request_reconcile) options_.request_reconcile();
  }
  // A pod that was started with the driver before us keeps what it has.
  if (absl::IsNotFound(record.status()) && !attempt.known &&
      reference_.Published(attempt.request, *attempt.target)) {
    return PublishResult{.outcome = PublishOutcome::kAlreadyPublished,
                         .agent_id = "",
                         .reason = ""};
  }
  // Never stacked upon, never taken away under a pod that may be using it.
  return absl::FailedPreconditionError(absl::StrCat(
      attempt.row.target, ": something is mounted there that no record of ",
      "this driver knows"));
}

PublishResult Publisher::AdoptEmpty(Attempt& attempt, const VolumeRow& record) {
  attempt.known = record;
  if (index_.MarkEmpty(record, clock_.Now()).ok()) {
    Forget(record.id);
  } else {
    Remember(record);
  }
  return AlreadyPublished(record);
}

PublishResult Publisher::AdoptMounted(Attempt& attempt) {
  const absl::Time now = clock_.Now();
  VolumeRow& row = *attempt.known;
  if (row.state == VolumeState::kMounting &&
      absl::IsNotFound(index_.MarkMounted(row.id, now))) {
    // The index was lost and the row comes from volume.json: adopted, lease
    // and all. An index that refuses is filled by the reconciler.
    row.state = VolumeState::kMounted;
    row.since = now;
    row.reason.clear();
    row.attempts = 0;
    row.first_failure_at = absl::InfinitePast();
    (void)index_.PutVolume(row);
  }
  return AlreadyPublished(row);
}

PublishResult Publisher::StillEmpty(const Attempt& attempt) {
  // A bare directory may have been tidied away; the pod starts with any.
  (void)MakeTarget(*attempt.target);
  const std::optional<VolumeRow>& row = attempt.known;
  bool unrecorded = false;
  {
    MutexLock lock(mu_);
    unrecorded = unrecorded_.count(row->id) > 0;
  }
  // The index may take by now what it refused then.
  if (unrecorded && index_.MarkEmpty(*row, clock_.Now()).ok()) Forget(row->id);
  return AlreadyPublished(*row);
}

// The same volume id for another target (kubelet's directory has moved).
absl::Status Publisher::LeaveOldTarget(Attempt& attempt) {
  const std::string& old_path = attempt.known->target;
  if (attempt.known->state != VolumeState::kWaiting) {
    const bool was_in_use = std::exchange(attempt.record_in_use, true);
    const absl::StatusOr<ResolvedTarget> old = targets_.Resolve(old_path);
    if (!old.ok() && !absl::IsNotFound(old.status())) return old.status();
    if (old.ok()) {
      ASSIGN_OR_RETURN(const bool mounted, mounter_.IsMounted(old->target()));
      if (mounted) {
        return absl::UnavailableError(
            absl::StrCat("volume is published at ", old_path));
      }
      // Not empty: not ours to delete.
      (void)RemoveTarget(old->target());
    }
    attempt.record_in_use = was_in_use;
  }
  RETURN_IF_ERROR(index_.ReleaseLease(attempt.row.id, clock_.Now()));
  RETURN_IF_ERROR(TrashVolumeDir(layout_, attempt.row.id));
  Forget(attempt.row.id);
  attempt.known.reset();
  attempt.record_in_use = false;
  return absl::OkStatus();
}

absl::Status Publisher::Mount(Attempt& attempt) {
  if (options_.drain) {
    return absl::FailedPreconditionError(
        "the driver is being drained: no volume gets an agent any more");
  }
  RETURN_IF_ERROR(attempt.row.mode == VolumeMode::kHost ? TakeHostLease(attempt)
                                                        : TakeLease(attempt));
  Failpoint("publish:4");
  const absl::Status attached = Attach(attempt);
  if (!attached.ok()) return MountError(attempt.row.mode, attached);
  Failpoint("publish:7");
  const absl::Status marked = index_.MarkMounted(attempt.row.id, clock_.Now());
  // Without its row the mount holds no lease: it must not stay. Any other
  // failure leaves the row `mounting`, which holds the lease as well.
  if (absl::IsNotFound(marked)) return MountError(attempt.row.mode, marked);
  if (!marked.ok() && options_.request_reconcile) options_.request_reconcile();
  Failpoint("publish:8");
  return absl::OkStatus();
}

absl::Status Publisher::TakeLease(Attempt& attempt) {
  absl::StatusOr<Lease> lease =
      index_.AcquireLease({.volume = attempt.row, .now = clock_.Now()});
  if (absl::IsNotFound(lease.status()) ||
      absl::IsFailedPrecondition(lease.status())) {
    return lease.status();  // the reference's text already
  }
  if (!lease.ok()) {
    return Annotate(lease.status(),
                    absl::StrCat("failed to extract tenant for DynaKube ",
                                 attempt.row.dynakube));
  }
  attempt.row = std::move(lease->row);
  attempt.row.agent_id = lease->agent_id;
  attempt.row.config_id = lease->config_id;
  return absl::OkStatus();
}

absl::Status Publisher::TakeHostLease(Attempt& attempt) {
  const auto take = [&]() -> absl::Status {
    // Choosing the storage and putting it on record is one step for the
    // collector, which takes the same lock.
    ASSIGN_OR_RETURN(const HostLock lock, HostLock::Acquire(layout_));
    ASSIGN_OR_RETURN(const std::vector<HostStorage> storages,
                     ListHostStorages(layout_));
    const absl::StatusOr<std::optional<TenantRow>> tenant =
        index_.GetTenant(attempt.row.dynakube);
    const HostStorage storage = ChooseHostStorage(
        storages, attempt.row.dynakube,
        tenant.ok() && tenant->has_value() ? (*tenant)->tenant_uuid : "");
    attempt.row.host_storage = storage.name;
    ASSIGN_OR_RETURN(Lease lease, index_.AcquireLease({.volume = attempt.row,
                                                       .now = clock_.Now()}));
    attempt.row = std::move(lease.row);
    return MakeHostStorage(layout_, storage);
  };
  return MountError(VolumeMode::kHost, take());
}

absl::Status Publisher::Attach(Attempt& attempt) {
  const VolumeRow& row = attempt.row;
  RETURN_IF_ERROR(PrepareVolumeDir(layout_, row));
  const bool has_pod_layer =
      row.mode == VolumeMode::kApp && !attempt.request.conf.empty();
  if (has_pod_layer) {
    RETURN_IF_ERROR(MakePodLayer(layout_, row, attempt.request.conf));
  }
  RETURN_IF_ERROR(WriteVolumeRecord(layout_, row));
  Failpoint("publish:5a");
  attempt.target_made = true;
  RETURN_IF_ERROR(MakeTarget(*attempt.target));
  Failpoint("publish:5");
  attempt.may_be_mounted = true;
  if (row.mode == VolumeMode::kHost) {
    return mounter_.BindStorage(layout_.HostStorage(row.host_storage),
                                row.read_only, *attempt.target);
  }
  return ShowApp(layout_, LayersOf(layout_, row, has_pod_layer), mounter_,
                 *attempt.target);
}

}  // namespace oneagent
