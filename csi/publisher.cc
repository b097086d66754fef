// Publish, step by step. The process may die between any two of them; what is
// then on disk, in the index and in the mount table is put in order by the
// next Publish of the same volume, by Unpublish, or by the reconciler.
//
//   1  the target's form is kubelet's (the request has been parsed)
//   2  the caller holds the volume (WorkQueue); what is known of it is read
//   3  the verdict: published for this target already: OK, nothing is touched.
//      Else: what the pod of an earlier boot left in the bare directory of an
//      empty volume is deleted
//      died here: volume.json still says so; it is replaced in step 5
//   4  lease: one transaction picks agent and configuration and counts the
//      attempt, row `mounting`
//      died here: a row without directory or mount, which counts as a failure.
//      When the volume's time is over by then, no second attempt may kill the
//      process again: it is published empty at once
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

#include <algorithm>
#include <optional>
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

absl::Status MountError(VolumeMode mode, const absl::Status& status) {
  return Annotate(status, mode == VolumeMode::kHost
                              ? "failed to mount osagent volume"
                              : "failed to mount oneagent volume");
}

PublishResult AlreadyPublished(const VolumeRow& row) {
  return PublishResult{.outcome = PublishOutcome::kAlreadyPublished,
                       .agent_id = row.agent_id,
                       .reason = row.reason,
                       .cause = row.cause};
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

Publisher::Publisher(Options options, const VolumeContext& context)
    : options_(std::move(options)),
      context_(context),
      reference_(options_.reference_data_dir, context.mounter) {}

absl::StatusOr<PublishResult> Publisher::Publish(
    const PublishRequest& request) {
  RETURN_IF_ERROR(context_.targets.Check(request.target_path, request.pod_uid));
  Failpoint("publish:1");
  Attempt attempt{.request = request, .evidence = {}, .before = {}, .row = {}};
  // An index that cannot be read says so again in step 4.
  context_.book
      .Read(request.volume_id, VolumeBook::Depth::kAll, attempt.evidence)
      .IgnoreError();
  Failpoint("publish:2");
  const absl::StatusOr<ResolvedTarget> resolved =
      context_.targets.Resolve(request.target_path);
  if (resolved.ok()) {
    attempt.target = &resolved->target();
    attempt.evidence.target = ViewOf(context_.mounter, *attempt.target);
  } else if (absl::IsNotFound(resolved.status())) {
    attempt.evidence.target = TargetView::kGone;
  }
  attempt.before = Judge(attempt.evidence, context_.boot_id);
  if (!resolved.ok()) {
    attempt.row = NewRow(request, attempt.before);
    return Fail(attempt, MountError(request.mode, WithCause(resolved.status(),
                                                            Cause::kTarget)));
  }
  return Run(attempt);
}

absl::StatusOr<PublishResult> Publisher::Run(Attempt& attempt) {
  const PublishRequest& request = attempt.request;
  absl::Status left = absl::OkStatus();
  if (!attempt.before.volume.id.empty() &&
      attempt.before.volume.target != request.target_path &&
      attempt.before.fate != Fate::kOfEarlierBoot) {
    left = LeaveOldTarget(attempt);
  }
  attempt.row = NewRow(request, attempt.before);
  if (!left.ok()) return Fail(attempt, MountError(request.mode, left));
  // A row `mounted` is believed: it is written last.
  const bool is_told = attempt.evidence.row && !attempt.evidence.memory &&
                       attempt.evidence.row->state == VolumeState::kMounted;
  if (!is_told || (attempt.evidence.record &&
                   attempt.evidence.record->state == VolumeState::kEmpty)) {
    LookCloser(context_, request.target_path, attempt.evidence);
    attempt.before = Judge(attempt.evidence, context_.boot_id);
  }
  Failpoint("publish:3");
  switch (attempt.before.fate) {
    case Fate::kMounted:
      return Adopt(attempt);
    case Fate::kEmpty:
      return StillEmpty(attempt);
    case Fate::kForeign:
      return AtForeignMount(attempt);
    case Fate::kInDoubt:
      return Fail(attempt, MountError(request.mode, WhyInDoubt(attempt)));
    case Fate::kOfEarlierBoot:
    case Fate::kNothing:
    case Fate::kWaiting:
    case Fate::kUnfinished:
    case Fate::kLost:
      return MountAnew(attempt);
  }
  return absl::InternalError("unknown fate");
}

absl::Status Publisher::WhyInDoubt(const Attempt& attempt) {
  const absl::StatusOr<bool> mounted =
      context_.mounter.IsMounted(*attempt.target);
  RETURN_IF_ERROR(WithCause(mounted.status(), Cause::kTarget));
  RETURN_IF_ERROR(WithCause(context_.mounted.List().status(), Cause::kTarget));
  return absl::UnavailableError(
      absl::StrCat(attempt.row.target, ": cannot be told what is there"));
}

// Its attempt is counted by the row, from the beginning: one that kills the
// process has failed.
VolumeRow Publisher::NewRow(const PublishRequest& request,
                            const Verdict& before) const {
  const VolumeRow& known = before.volume;
  const bool counts = before.fate != Fate::kOfEarlierBoot;
  VolumeRow row{.id = request.volume_id,
                .pod = request.pod,
                .namespace_name = request.namespace_name,
                .pod_uid = request.pod_uid,
                .dynakube = request.dynakube,
                .mode = request.mode,
                .read_only = request.read_only,
                .target = request.target_path,
                .state = VolumeState::kMounting,
                .boot_id = context_.boot_id,
                .attempts = (counts ? known.attempts : 0) + 1,
                .first_failure_at = context_.clock.Now(),
                .first_failure_uptime = context_.clock.Uptime()};
  // A row of an older program has no uptime: it counts from now.
  if (counts && known.attempts > 0 &&
      known.first_failure_uptime > absl::ZeroDuration()) {
    row.first_failure_at = known.first_failure_at;
    row.first_failure_uptime = known.first_failure_uptime;
  }
  // It has failed since then, only without a turn to say so.
  const std::optional<absl::Duration> waiting =
      context_.book.WaitingSince(request.volume_id);
  if (waiting && *waiting < row.first_failure_uptime) {
    row.first_failure_at -= row.first_failure_uptime - *waiting;
    row.first_failure_uptime = *waiting;
  }
  return row;
}

absl::StatusOr<PublishResult> Publisher::MountAnew(Attempt& attempt) {
  const VolumeRow& known = attempt.before.volume;
  if (attempt.before.fate == Fate::kOfEarlierBoot) {
    // No pod of an earlier boot runs, and a full directory takes no agent.
    if (known.state == VolumeState::kEmpty && !known.covers) {
      DeleteTarget(*attempt.target).IgnoreError();
    }
    // An index that cannot be written to says so again in step 4.
    context_.book.DropRow(attempt.row.id).IgnoreError();
  } else if (known.cause == Cause::kInterrupted &&
             IsTimeToFailOpen(attempt.request, known)) {
    return PublishEmpty(attempt, known);
  }
  const absl::Status mounted = Mount(attempt);
  if (!mounted.ok()) return Fail(attempt, mounted);
  PublishResult result{.outcome = PublishOutcome::kMounted,
                       .agent_id = attempt.row.agent_id,
                       .reason = ""};
  result.failures = attempt.row.attempts - 1;
  if (result.failures > 0) {
    result.waited = context_.clock.Uptime() - attempt.row.first_failure_uptime;
  }
  return result;
}

PublishResult Publisher::Adopt(const Attempt& attempt) {
  const absl::Status put =
      context_.book.Put(attempt.evidence, attempt.before.volume);
  // What the index refuses is filled by the reconciler.
  if (!put.ok()) context_.request_reconcile();
  return AlreadyPublished(attempt.before.volume);
}

PublishResult Publisher::StillEmpty(const Attempt& attempt) {
  // A bare directory may have been tidied away; the pod starts with any.
  MakeTarget(*attempt.target).IgnoreError();
  // Memory has what the index does not take.
  context_.book.Put(attempt.evidence, attempt.before.volume).IgnoreError();
  return AlreadyPublished(attempt.before.volume);
}

absl::StatusOr<PublishResult> Publisher::AtForeignMount(Attempt& attempt) {
  // A pod that was started with the driver before us keeps what it has.
  if (attempt.before.volume.id.empty() &&
      !context_.book.HasRecord(attempt.row.id) &&
      reference_.Published(attempt.request, *attempt.target)) {
    return PublishResult{.outcome = PublishOutcome::kAlreadyPublished,
                         .agent_id = "",
                         .reason = ""};
  }
  // Never stacked upon, never taken away under a pod that may be using it.
  return Fail(attempt,
              MountError(attempt.row.mode,
                         WithCause(absl::FailedPreconditionError(absl::StrCat(
                                       attempt.row.target,
                                       ": something is mounted there that no "
                                       "record of this driver knows")),
                                   Cause::kTarget)));
}

// The same volume id for another target (kubelet's directory has moved).
absl::Status Publisher::LeaveOldTarget(Attempt& attempt) {
  const VolumeRow old = attempt.before.volume;
  Evidence there = attempt.evidence;
  there.target = ViewOf(context_, old.target);
  if (old.state != VolumeState::kWaiting) {
    if (there.target == TargetView::kMount ||
        there.target == TargetView::kUnknown) {
      attempt.before.fate = Fate::kInDoubt;
      return WithCause(absl::UnavailableError(
                           absl::StrCat("volume is published at ", old.target)),
                       Cause::kTarget);
    }
    const absl::StatusOr<ResolvedTarget> target =
        context_.targets.Resolve(old.target);
    // Not empty: not ours to delete.
    if (target.ok()) RemoveTarget(target->target()).IgnoreError();
  }
  RETURN_IF_ERROR(context_.book.DropRow(old.id));
  RETURN_IF_ERROR(context_.book.DropDirectory(old.id));
  attempt.evidence = {.target = attempt.evidence.target};
  attempt.before = Judge(attempt.evidence, context_.boot_id);
  return absl::OkStatus();
}

absl::Status Publisher::Mount(Attempt& attempt) {
  if (options_.drain) {
    return WithCause(
        absl::FailedPreconditionError(
            "the driver is being drained: no volume gets an agent any more"),
        Cause::kDrained);
  }
  RETURN_IF_ERROR(attempt.row.mode == VolumeMode::kHost ? TakeHostLease(attempt)
                                                        : TakeLease(attempt));
  Failpoint("publish:4");
  const absl::Status attached = Attach(attempt);
  if (!attached.ok()) {
    return MountError(attempt.row.mode, WithCause(attached, Cause::kMount));
  }
  Failpoint("publish:7");
  const absl::Status marked = context_.book.PutMounted(attempt.row.id);
  // Without its row the mount holds no lease: it must not stay. Any other
  // failure leaves the row `mounting`, which holds the lease as well.
  if (absl::IsNotFound(marked)) return MountError(attempt.row.mode, marked);
  if (!marked.ok()) context_.request_reconcile();
  Failpoint("publish:8");
  return absl::OkStatus();
}

absl::Status Publisher::TakeLease(Attempt& attempt) {
  absl::StatusOr<VolumeRow> leased = context_.book.Lease(attempt.row);
  if (absl::IsNotFound(leased.status()) ||
      absl::IsFailedPrecondition(leased.status())) {
    return leased.status();  // the reference's text already
  }
  if (!leased.ok()) {
    return Annotate(leased.status(),
                    absl::StrCat("failed to extract tenant for DynaKube ",
                                 attempt.row.dynakube));
  }
  attempt.row = *std::move(leased);
  return absl::OkStatus();
}

absl::Status Publisher::TakeHostLease(Attempt& attempt) {
  const Layout& layout = context_.layout;
  const auto take = [&]() -> absl::Status {
    // Choosing the storage and putting it on record is one step for the
    // collector, which takes the same lock.
    ASSIGN_OR_RETURN(const HostLock lock, HostLock::Acquire(layout));
    ASSIGN_OR_RETURN(const std::vector<HostStorage> storages,
                     ListHostStorages(layout));
    const absl::StatusOr<std::optional<TenantRow>> tenant =
        context_.index.GetTenant(attempt.row.dynakube);
    const HostStorage storage = ChooseHostStorage(
        storages, attempt.row.dynakube,
        tenant.ok() && tenant->has_value() ? (*tenant)->tenant_uuid : "");
    attempt.row.host_storage = storage.name;
    ASSIGN_OR_RETURN(attempt.row, context_.book.Lease(attempt.row));
    return MakeHostStorage(layout, storage);
  };
  return MountError(VolumeMode::kHost, take());
}

absl::Status Publisher::Attach(Attempt& attempt) {
  const VolumeRow& row = attempt.row;
  const Layout& layout = context_.layout;
  RETURN_IF_ERROR(PrepareVolumeDir(layout, row));
  const bool has_pod_layer =
      row.mode == VolumeMode::kApp && !attempt.request.conf.empty();
  if (has_pod_layer) {
    RETURN_IF_ERROR(MakePodLayer(layout, row, attempt.request.conf));
  }
  RETURN_IF_ERROR(context_.book.WriteRecord(row));
  Failpoint("publish:5a");
  attempt.progress = Progress::kTargetMade;
  RETURN_IF_ERROR(WithCause(MakeTarget(*attempt.target), Cause::kTarget));
  Failpoint("publish:5");
  attempt.progress = Progress::kMountBegun;
  if (row.mode == VolumeMode::kHost) {
    return context_.mounter.BindStorage(layout.HostStorage(row.host_storage),
                                        row.read_only, *attempt.target);
  }
  return ShowApp(layout, LayersOf(layout, row, has_pod_layer), context_.mounter,
                 *attempt.target);
}

}  // namespace oneagent
