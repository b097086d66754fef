#include "csi/volume_verdict.h"

#include <utility>

namespace oneagent {
namespace {

bool IsOfBoot(const std::optional<VolumeRow>& row, absl::string_view boot_id) {
  return row.has_value() && row->boot_id == boot_id;
}

// The one of this boot that is believed.
std::optional<VolumeRow> Believed(const Evidence& evidence,
                                  absl::string_view boot_id) {
  if (evidence.memory) return evidence.memory;
  const bool has_row = IsOfBoot(evidence.row, boot_id);
  if (!IsOfBoot(evidence.record, boot_id)) {
    return has_row ? evidence.row : std::nullopt;
  }
  const bool is_newer = evidence.record->state == VolumeState::kEmpty &&
                        has_row && evidence.row->state != VolumeState::kEmpty &&
                        evidence.record->target == evidence.row->target;
  return has_row && !is_newer ? evidence.row : evidence.record;
}

VolumeRow WithoutLease(VolumeRow row, VolumeState state) {
  row.state = state;
  row.agent_id.clear();
  row.config_id.clear();
  row.host_storage.clear();
  return row;
}

VolumeRow Mounted(VolumeRow row, const std::optional<VolumeRow>& shown) {
  // The layers in the mount table are what the pod has, whatever is on record.
  if (shown) {
    row.agent_id = shown->agent_id;
    row.config_id = shown->config_id;
  }
  row.state = VolumeState::kMounted;
  row.reason.clear();
  row.cause = Cause::kNone;
  row.attempts = 0;
  row.first_failure_at = absl::InfinitePast();
  row.first_failure_uptime = absl::ZeroDuration();
  return row;
}

VolumeRow Empty(VolumeRow row) {
  if (row.state == VolumeState::kEmpty) return row;
  row = WithoutLease(std::move(row), VolumeState::kEmpty);
  if (row.reason.empty()) row.reason = kLostRecord;
  return row;
}

VolumeRow Interrupted(VolumeRow row) {
  row = WithoutLease(std::move(row), VolumeState::kWaiting);
  row.reason = kInterrupted;
  row.cause = Cause::kInterrupted;
  return row;
}

// No mount of this boot can be of them.
Verdict OfNoBook(const Evidence& evidence) {
  // One that says `empty` says also what may be in the target.
  for (const auto* const earlier : {&evidence.record, &evidence.row}) {
    if (earlier->has_value() && (*earlier)->state == VolumeState::kEmpty) {
      return {.fate = Fate::kOfEarlierBoot, .volume = **earlier};
    }
  }
  if (evidence.row)
    return {.fate = Fate::kOfEarlierBoot, .volume = *evidence.row};
  if (evidence.record) {
    return {.fate = Fate::kOfEarlierBoot, .volume = *evidence.record};
  }
  return {.fate = Fate::kNothing};
}

Verdict WithoutMount(const Evidence& evidence, std::optional<VolumeRow> known) {
  if (!known) return OfNoBook(evidence);
  switch (known->state) {
    case VolumeState::kWaiting:
      return {.fate = Fate::kWaiting, .volume = *std::move(known)};
    case VolumeState::kMounting:
      return {.fate = Fate::kUnfinished,
              .volume = Interrupted(*std::move(known))};
    case VolumeState::kMounted:
      return {.fate = Fate::kLost, .volume = *std::move(known)};
    case VolumeState::kEmpty:
      // A bare directory, which may have been tidied away.
      return {.fate = Fate::kEmpty, .volume = *std::move(known)};
  }
  return {};
}

// Something is mounted that is not known for ours. A lease is kept all the
// same: ours may be below it.
Verdict UnderMount(const Evidence& evidence, std::optional<VolumeRow> known) {
  const Fate fate =
      evidence.target == TargetView::kMount ? Fate::kInDoubt : Fate::kForeign;
  if (!known) return {.fate = fate};
  switch (known->state) {
    case VolumeState::kWaiting:
      return {.fate = fate, .volume = *std::move(known)};
    case VolumeState::kMounting:
    case VolumeState::kMounted:
      return {.fate = Fate::kMounted,
              .volume = Mounted(*std::move(known), std::nullopt)};
    case VolumeState::kEmpty:
      return {.fate = Fate::kEmpty, .volume = *std::move(known)};
  }
  return {};
}

}  // namespace

Verdict Judge(const Evidence& evidence, absl::string_view boot_id) {
  std::optional<VolumeRow> known = Believed(evidence, boot_id);
  const bool is_recovered = !known.has_value();
  const VolumeRow best = known ? *known : evidence.shown.value_or(VolumeRow{});
  switch (evidence.target) {
    case TargetView::kUnknown:
      return {.fate = Fate::kInDoubt, .volume = best};
    case TargetView::kAgent:
      return {.fate = Fate::kMounted,
              .volume = Mounted(best, evidence.shown),
              .is_recovered = is_recovered};
    case TargetView::kNotice:
      return {.fate = Fate::kEmpty,
              .volume = Empty(best),
              .is_recovered = is_recovered};
    case TargetView::kForeign:
    case TargetView::kMount:
      return UnderMount(evidence, std::move(known));
    case TargetView::kGone:
    case TargetView::kDirectory:
      return WithoutMount(evidence, std::move(known));
  }
  return {};
}

}  // namespace oneagent
