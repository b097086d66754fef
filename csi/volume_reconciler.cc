#include "csi/volume_reconciler.h"

#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "csi/volume_dir.h"

namespace oneagent {
namespace {

// What is said of the volume's target decides where it is looked for; with
// nothing on record, the mount table.
std::string TargetOf(const Evidence& evidence, const std::string& boot_id,
                     const VolumeRow* shown) {
  for (const auto* const row :
       {&evidence.memory, &evidence.row, &evidence.record}) {
    if (row->has_value() && (*row)->boot_id == boot_id) return (*row)->target;
  }
  return shown == nullptr ? "" : shown->target;
}

const VolumeRow* ShownOf(const MountedVolumes::Shown& shown,
                         const std::string& id) {
  const auto found = shown.find(id);
  return found == shown.end() ? nullptr : &found->second;
}

}  // namespace

VolumeReconciler::VolumeReconciler(const VolumeContext& context,
                                   VolumeChangeObserver on_change,
                                   VolumeGuard guard)
    : context_(context),
      on_change_(std::move(on_change)),
      guard_(std::move(guard)) {}

absl::StatusOr<bool> VolumeReconciler::IsNeeded() {
  if (requested_) return true;
  ASSIGN_OR_RETURN(const std::string boot_id,
                   context_.index.ReconciledBootId());
  return boot_id != context_.boot_id;
}

absl::StatusOr<ReconcileResult> VolumeReconciler::RunOnce() {
  // Taken before anything is looked at: what is requested from here on needs
  // another run.
  const bool was_requested = requested_.exchange(false);
  absl::StatusOr<ReconcileResult> result = Run();
  if (!result.ok() && was_requested) Request();
  return result;
}

absl::StatusOr<ReconcileResult> VolumeReconciler::Run() {
  RETURN_IF_ERROR(context_.index.BeginReconcile());
  ASSIGN_OR_RETURN(const MountedVolumes::Shown shown, context_.mounted.List());
  ASSIGN_OR_RETURN(const std::vector<std::string> known,
                   context_.book.ListIds());
  std::set<std::string> ids(known.begin(), known.end());
  for (const auto& [id, unused] : shown) ids.insert(id);
  ReconcileResult result;
  absl::Status first_error;
  for (const std::string& id : ids) {
    absl::Status settled;
    if (!guard_(id, [&] { settled = Settle(id, shown, result); })) {
      settled = absl::UnavailableError("busy");
    }
    first_error.Update(Annotate(settled, absl::StrCat("volume ", id)));
    if (CauseOf(settled) == Cause::kIndex && absl::IsUnavailable(settled)) {
      break;
    }
  }
  if (!first_error.ok()) return first_error;
  // The first write to a fresh WAL waits for the disk; a restart within one
  // boot has nothing to say.
  ASSIGN_OR_RETURN(const std::string boot_id,
                   context_.index.ReconciledBootId());
  if (boot_id != context_.boot_id) {
    RETURN_IF_ERROR(context_.index.SetReconciled(context_.boot_id));
  }
  return result;
}

absl::Status VolumeReconciler::Settle(const std::string& id,
                                      const MountedVolumes::Shown& shown,
                                      ReconcileResult& result) {
  Evidence evidence;
  RETURN_IF_ERROR(
      context_.book.Read(id, VolumeBook::Depth::kTrustRows, evidence));
  const VolumeRow* const own = ShownOf(shown, id);
  const std::string target = TargetOf(evidence, context_.boot_id, own);
  evidence.target =
      target.empty() ? TargetView::kGone : ViewOf(context_, target);
  // What is at no kubelet's path cannot be resolved; the table has shown it.
  if (evidence.target == TargetView::kUnknown && own != nullptr &&
      own->target == target) {
    evidence.target = TargetView::kMount;
  }
  LookCloser(shown, target, evidence);
  if (evidence.target != TargetView::kAgent && own != nullptr &&
      own->target != target &&
      ViewOf(context_, own->target) == TargetView::kMount) {
    // The mount table knows better where it is.
    evidence.target = TargetView::kMount;
    LookCloser(shown, own->target, evidence);
  }
  Verdict verdict = Judge(evidence, context_.boot_id);
  if (evidence.shown) verdict.volume.target = evidence.shown->target;
  return Execute(evidence, verdict, id, result);
}

absl::Status VolumeReconciler::Execute(const Evidence& evidence,
                                       const Verdict& verdict,
                                       const std::string& id,
                                       ReconcileResult& result) {
  VolumeRow volume = verdict.volume;
  // A mount is found under the id that its place or its layers give it.
  volume.id = id;
  if (verdict.is_recovered) {
    ++result.recovered;
    Tell(id, VolumeChange::kRecovered);
  }
  switch (verdict.fate) {
    case Fate::kMounted:
      ++result.mounted;
      return context_.book.Put(evidence, volume);
    case Fate::kEmpty:
      ++result.empty;
      return context_.book.Put(evidence, volume);
    case Fate::kWaiting:
      return SettleWaiting(evidence, volume, result);
    case Fate::kUnfinished:
      ++result.rolled_back;
      Tell(id, VolumeChange::kRolledBack);
      return SettleWaiting(evidence, volume, result);
    case Fate::kLost:
      if (!context_.book.HasRecord(id)) return Drop(id, result);
      ++result.waiting;
      return absl::OkStatus();
    case Fate::kOfEarlierBoot:
      if (volume.state == VolumeState::kEmpty && !volume.covers) {
        const absl::StatusOr<ResolvedTarget> target =
            context_.targets.Resolve(volume.target);
        // Refused where something is mounted on it or in it.
        if (target.ok()) DeleteTarget(target->target()).IgnoreError();
      }
      return Drop(id, result);
    case Fate::kNothing:
      return Drop(id, result);
    case Fate::kForeign:
    case Fate::kInDoubt:
      ++result.unknown;
      Tell(id, VolumeChange::kUnknown);
      return verdict.volume.id.empty() ? absl::OkStatus()
                                       : context_.book.Put(evidence, volume);
  }
  return absl::InternalError("unknown fate");
}

// Nothing but the failure record stays.
absl::Status VolumeReconciler::SettleWaiting(const Evidence& evidence,
                                             const VolumeRow& volume,
                                             ReconcileResult& result) {
  ++result.waiting;
  if (context_.book.HasRecord(volume.id)) {
    RETURN_IF_ERROR(TrashLayers(context_.layout, volume.id));
  }
  return context_.book.Put(evidence, volume);
}

// Row first: a directory without a row is found again.
absl::Status VolumeReconciler::Drop(const std::string& id,
                                    ReconcileResult& result) {
  ++result.rolled_back;
  RETURN_IF_ERROR(context_.book.DropRow(id));
  RETURN_IF_ERROR(context_.book.DropDirectory(id));
  Tell(id, VolumeChange::kRolledBack);
  return absl::OkStatus();
}

void VolumeReconciler::Tell(const std::string& id, VolumeChange change) const {
  if (on_change_) on_change_(id, change);
}

}  // namespace oneagent
