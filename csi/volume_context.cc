#include "csi/volume_context.h"

namespace oneagent {
namespace {

bool IsHostLease(const std::optional<VolumeRow>& row) {
  return row && row->mode == VolumeMode::kHost && !row->host_storage.empty();
}

}  // namespace

TargetView ViewOf(Mounter& mounter, const MountTarget& target) {
  const absl::StatusOr<bool> mounted = mounter.IsMounted(target);
  if (!mounted.ok()) return TargetView::kUnknown;
  return *mounted ? TargetView::kMount : TargetView::kDirectory;
}

TargetView ViewOf(const VolumeContext& context, absl::string_view target_path) {
  const absl::StatusOr<ResolvedTarget> target =
      context.targets.Resolve(target_path);
  if (absl::IsNotFound(target.status())) return TargetView::kGone;
  if (!target.ok()) return TargetView::kUnknown;
  return ViewOf(context.mounter, target->target());
}

void LookCloser(const MountedVolumes::Shown& shown,
                const std::string& target_path, Evidence& evidence) {
  if (evidence.target != TargetView::kMount) return;
  const VolumeRow* const found = FindShown(shown, target_path);
  if (found == nullptr) {
    // A bind of storage carries its disk's name, not ours.
    evidence.target = IsHostLease(evidence.row) || IsHostLease(evidence.record)
                          ? TargetView::kAgent
                          : TargetView::kForeign;
    return;
  }
  evidence.shown = *found;
  evidence.target = found->state == VolumeState::kEmpty ? TargetView::kNotice
                                                        : TargetView::kAgent;
}

void LookCloser(const VolumeContext& context, const std::string& target_path,
                Evidence& evidence) {
  if (evidence.target != TargetView::kMount) return;
  const absl::StatusOr<MountedVolumes::Shown> shown = context.mounted.List();
  if (shown.ok()) LookCloser(*shown, target_path, evidence);
}

}  // namespace oneagent
