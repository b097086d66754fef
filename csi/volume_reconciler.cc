#include "csi/volume_reconciler.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/durable_file.h"
#include "base/posix_status.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "cache/index/records.h"
#include "csi/app_view.h"
#include "csi/volume_dir.h"

namespace oneagent {
namespace {

constexpr char kLostRecord[] = "found in the mount table, its record is lost";

// The last components of a kubelet target:
// pods/<uid>/volumes/kubernetes.io~csi/<name>/mount
struct KubeletPlace {
  std::string pod_uid;
  std::string volume_name;
  std::string below_kubelet;
};

std::optional<KubeletPlace> ParsePlace(absl::string_view mount_point) {
  const std::vector<std::string> parts = absl::StrSplit(mount_point, '/');
  if (parts.size() < 7) return std::nullopt;
  const auto at = parts.end() - 6;
  if (at[0] != "pods" || at[2] != "volumes" || at[3] != "kubernetes.io~csi" ||
      at[5] != "mount") {
    return std::nullopt;
  }
  return KubeletPlace{.pod_uid = at[1],
                      .volume_name = at[4],
                      .below_kubelet = absl::StrJoin(at, parts.end(), "/")};
}

// The id of a mount whose layers do not name it: kubelet's rule for inline
// volumes; for a target of another form a name of our own, which holds the
// lease until the mount is gone.
std::string IdOf(const std::optional<KubeletPlace>& place,
                 const std::string& mount_point) {
  if (place) {
    return absl::StrCat("csi-", Sha256Hex(place->pod_uid + place->volume_name));
  }
  return absl::StrCat("orphan-", Sha256Hex(mount_point).substr(0, 16));
}

bool IsOfBoot(const std::optional<VolumeRow>& row, const std::string& boot_id) {
  return row.has_value() && row->boot_id == boot_id;
}

}  // namespace

VolumeReconciler::VolumeReconciler(Options options, Layout layout, Index& index,
                                   Mounter& mounter,
                                   const TargetResolver& targets,
                                   VolumeGuard guard)
    : options_(std::move(options)),
      layout_(std::move(layout)),
      index_(index),
      mounter_(mounter),
      targets_(targets),
      guard_(std::move(guard)) {}

absl::StatusOr<bool> VolumeReconciler::IsNeeded() {
  if (requested_) return true;
  ASSIGN_OR_RETURN(const std::string boot_id, index_.ReconciledBootId());
  return boot_id != options_.boot_id;
}

absl::StatusOr<ReconcileResult> VolumeReconciler::RunOnce(absl::Time now) {
  // Taken before anything is looked at: what is requested from here on needs
  // another run.
  const bool was_requested = requested_.exchange(false);
  absl::StatusOr<ReconcileResult> result = Run(now);
  if (!result.ok() && was_requested) Request();
  return result;
}

absl::StatusOr<ReconcileResult> VolumeReconciler::Run(absl::Time now) {
  index_refuses_ = false;
  RETURN_IF_ERROR(index_.BeginReconcile());
  ASSIGN_OR_RETURN(const auto found, ReadFound());
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   ListDirectory(layout_.VolumesDir()));
  ASSIGN_OR_RETURN(const std::vector<VolumeRow> rows, index_.ListVolumes());
  std::set<std::string> ids;
  for (const std::string& name : names) {
    if (IsVolumeId(name)) ids.insert(name);
  }
  for (const VolumeRow& row : rows) ids.insert(row.id);
  for (const auto& [id, unused] : found) ids.insert(id);

  ReconcileResult result;
  absl::Status first_error;
  for (const std::string& id : ids) {
    const auto at = found.find(id);
    const Found* const mount = at == found.end() ? nullptr : &at->second;
    absl::Status settled;
    if (!guard_(id, [&] { settled = Settle(id, mount, now, result); })) {
      settled = absl::UnavailableError("busy");
    }
    first_error.Update(Annotate(settled, absl::StrCat("volume ", id)));
    if (index_refuses_) break;
  }
  if (!first_error.ok()) return first_error;
  // The first write to a fresh WAL waits for the disk; a restart within one
  // boot has nothing to say.
  ASSIGN_OR_RETURN(const std::string boot_id, index_.ReconciledBootId());
  if (boot_id != options_.boot_id) {
    RETURN_IF_ERROR(index_.SetReconciled(options_.boot_id));
  }
  return result;
}

absl::StatusOr<std::map<std::string, VolumeReconciler::Found>>
VolumeReconciler::ReadFound() {
  ASSIGN_OR_RETURN(const std::vector<MountEntry> entries,
                   options_.read_mounts());
  std::map<std::string, Found> all;
  for (const MountEntry& entry : entries) {
    std::optional<Found> found = Recognize(entry);
    if (!found) continue;
    const std::string id = found->row.id;
    all.emplace(id, *std::move(found));
  }
  return all;
}

std::optional<VolumeReconciler::Found> VolumeReconciler::Recognize(
    const MountEntry& entry) const {
  if (entry.source != kMountSource) return std::nullopt;
  const std::optional<KubeletPlace> place = ParsePlace(entry.mount_point);
  VolumeRow row;
  row.target = KubeletTarget(entry.mount_point);
  row.boot_id = options_.boot_id;
  if (place && IsVolumeId(place->pod_uid)) row.pod_uid = place->pod_uid;
  row.id = IdOf(place, entry.mount_point);
  if (entry.fs_type == "tmpfs" && place) {
    row.state = VolumeState::kEmpty;
    row.reason = kLostRecord;
    return Found{.row = row};
  }
  const std::optional<ShownApp> shown = RecognizeApp(layout_, entry);
  if (!shown || !IsVolumeId(shown->agent_id)) return std::nullopt;
  row.state = VolumeState::kMounted;
  row.agent_id = shown->agent_id;
  if (IsVolumeId(shown->config_id)) row.config_id = shown->config_id;
  row.read_only = shown->read_only;
  if (IsVolumeId(shown->volume_id)) row.id = shown->volume_id;
  return Found{.row = row};
}

// As kubelet names it: its directory may be a link, which the mount table
// shows resolved.
std::string VolumeReconciler::KubeletTarget(
    const std::string& mount_point) const {
  const std::optional<KubeletPlace> place = ParsePlace(mount_point);
  if (!place) return mount_point;
  return absl::StrCat(options_.kubelet_dir, "/", place->below_kubelet);
}

absl::StatusOr<VolumeReconciler::Evidence> VolumeReconciler::Gather(
    const std::string& id, const Found* found) {
  Evidence evidence;
  evidence.found = found;
  absl::StatusOr<std::optional<VolumeRow>> row = index_.GetVolume(id);
  RETURN_IF_ERROR(Noted(row.status()));
  evidence.row = *std::move(row);
  // One volume that cannot be looked at must not keep the others from being
  // settled: it counts as there.
  evidence.has_directory = PathExists(layout_.VolumeRecord(id)).value_or(true);
  // A row `mounted` or `empty` of this boot needs no record; reading 500 of
  // them would cost the start more than all the rest.
  const bool is_enough = IsOfBoot(evidence.row, options_.boot_id) &&
                         (evidence.row->state == VolumeState::kMounted ||
                          evidence.row->state == VolumeState::kEmpty);
  if (!is_enough && evidence.has_directory) {
    absl::StatusOr<VolumeRow> record = ReadVolumeRecord(layout_, id);
    // Damaged or unreadable: the row and the mount table decide.
    if (record.ok()) evidence.record = *std::move(record);
  }
  return evidence;
}

VolumeReconciler::Presence VolumeReconciler::Look(const VolumeRow& row) {
  const absl::StatusOr<ResolvedTarget> target = targets_.Resolve(row.target);
  if (absl::IsNotFound(target.status())) return Presence::kNotMounted;
  if (!target.ok()) return Presence::kUnknown;
  const absl::StatusOr<bool> mounted = mounter_.IsMounted(target->target());
  if (!mounted.ok()) return Presence::kUnknown;
  return *mounted ? Presence::kMounted : Presence::kNotMounted;
}

absl::Status VolumeReconciler::Settle(const std::string& id, const Found* found,
                                      absl::Time now, ReconcileResult& result) {
  ASSIGN_OR_RETURN(const Evidence evidence, Gather(id, found));
  VolumeRow row;
  if (IsOfBoot(evidence.row, options_.boot_id)) {
    row = *evidence.row;
  } else if (IsOfBoot(evidence.record, options_.boot_id)) {
    row = *evidence.record;
  } else if (found != nullptr && Look(found->row) != Presence::kNotMounted) {
    row = found->row;
    ++result.recovered;
    Tell(id, VolumeChange::kRecovered);
  } else {
    DeleteBareTarget(evidence);
    return Drop(id, now, result);
  }
  Presence presence = Look(row);
  if (presence == Presence::kNotMounted && found != nullptr &&
      found->row.target != row.target &&
      Look(found->row) != Presence::kNotMounted) {
    row.target = found->row.target;  // the mount table knows better
    presence = Presence::kMounted;
  }
  switch (presence) {
    case Presence::kMounted:
      return SettleMounted(evidence, std::move(row), now, result);
    case Presence::kNotMounted:
      return SettleUnmounted(evidence, std::move(row), now, result);
    case Presence::kUnknown:
      ++result.unknown;
      Tell(id, VolumeChange::kUnknown);
      return Keep(evidence, row);
  }
  return absl::InternalError("unknown presence");
}

absl::Status VolumeReconciler::SettleMounted(const Evidence& evidence,
                                             VolumeRow row, absl::Time now,
                                             ReconcileResult& result) {
  // The layers in the mount table are what the pod has, whatever is on record:
  // they must be leased.
  const bool shows_app = evidence.found != nullptr &&
                         evidence.found->row.state == VolumeState::kMounted;
  if (!shows_app) {
    if (row.state == VolumeState::kEmpty || evidence.found != nullptr ||
        IsRecordedEmpty(evidence, row)) {
      return SettleEmpty(evidence, std::move(row), now, result);
    }
    if (row.state == VolumeState::kWaiting) {
      return SettleWaiting(evidence, row, result);  // not ours
    }
  }
  ++result.mounted;
  const bool is_record_wrong =
      row.state == VolumeState::kWaiting || row.state == VolumeState::kEmpty;
  if (row.state != VolumeState::kMounted) row.since = now;
  row.state = VolumeState::kMounted;
  row.reason.clear();
  row.attempts = 0;
  row.first_failure_at = absl::InfinitePast();
  if (shows_app) {
    row.agent_id = evidence.found->row.agent_id;
    row.config_id = evidence.found->row.config_id;
  }
  // Publish believes a record `empty`.
  if (is_record_wrong) (void)SaveVolumeRecord(layout_, row);
  return Keep(evidence, row);
}

absl::Status VolumeReconciler::SettleUnmounted(const Evidence& evidence,
                                               VolumeRow row, absl::Time now,
                                               ReconcileResult& result) {
  switch (row.state) {
    case VolumeState::kWaiting:
      return SettleWaiting(evidence, row, result);
    case VolumeState::kEmpty:
      return SettleEmpty(evidence, std::move(row), now, result);
    case VolumeState::kMounted:
      if (!evidence.has_directory) return Drop(row.id, now, result);
      ++result.waiting;
      return Keep(evidence, row);
    case VolumeState::kMounting:
      // A bare directory; the index took nothing then.
      if (IsRecordedEmpty(evidence, row)) {
        return SettleEmpty(evidence, std::move(row), now, result);
      }
      if (row.attempts == 0) return Drop(row.id, now, result);
      ++result.rolled_back;
      Tell(row.id, VolumeChange::kRolledBack);
      row.state = VolumeState::kWaiting;
      row.agent_id.clear();
      row.config_id.clear();
      row.host_storage.clear();
      return SettleWaiting(evidence, row, result);
  }
  return absl::InternalError("unknown volume state");
}

bool VolumeReconciler::IsRecordedEmpty(const Evidence& evidence,
                                       const VolumeRow& row) const {
  return IsOfBoot(evidence.record, options_.boot_id) &&
         evidence.record->state == VolumeState::kEmpty &&
         evidence.record->target == row.target;
}

// Published without an agent. Where the index does not know, the notice is
// still owed; a volume of which nothing but its mount is left has no pod that
// one could be about.
absl::Status VolumeReconciler::SettleEmpty(const Evidence& evidence,
                                           VolumeRow row, absl::Time now,
                                           ReconcileResult& result) {
  ++result.empty;
  if (IsRecordedEmpty(evidence, row)) {
    row = *evidence.record;
  } else if (row.state != VolumeState::kEmpty) {
    row.state = VolumeState::kEmpty;
    row.agent_id.clear();
    row.config_id.clear();
    row.host_storage.clear();
    if (row.reason.empty()) row.reason = kLostRecord;
    (void)SaveVolumeRecord(layout_, row);
  }
  const bool is_known = IsOfBoot(evidence.row, options_.boot_id) &&
                        evidence.row->state == VolumeState::kEmpty;
  if (is_known || (!evidence.row && !evidence.record)) {
    return Keep(evidence, row);
  }
  return Noted(index_.MarkEmpty(row, now));
}

// Has failed so far: nothing but the failure record stays.
absl::Status VolumeReconciler::SettleWaiting(const Evidence& evidence,
                                             const VolumeRow& row,
                                             ReconcileResult& result) {
  ++result.waiting;
  if (evidence.has_directory) {
    RETURN_IF_ERROR(TrashLayers(layout_, row.id));
    if (!evidence.record || evidence.record->state != VolumeState::kWaiting) {
      RETURN_IF_ERROR(SaveVolumeRecord(layout_, row));
    }
  }
  return Keep(evidence, row);
}

// An empty volume may have been a bare directory, which its pod could fill. The
// reboot has ended the pod; without its record nobody would know that this may
// go, publish would find a full target and Unpublish could not remove it.
void VolumeReconciler::DeleteBareTarget(const Evidence& evidence) {
  for (const auto* const known : {&evidence.record, &evidence.row}) {
    if (!known->has_value() || (*known)->state != VolumeState::kEmpty) continue;
    const absl::StatusOr<ResolvedTarget> target =
        targets_.Resolve((*known)->target);
    // Refused where something is mounted on it or in it.
    if (target.ok()) (void)DeleteTarget(target->target());
  }
}

// Row first: a directory without a row is found again.
absl::Status VolumeReconciler::Drop(const std::string& id, absl::Time now,
                                    ReconcileResult& result) {
  ++result.rolled_back;
  RETURN_IF_ERROR(Noted(index_.ReleaseLease(id, now)));
  RETURN_IF_ERROR(TrashVolumeDir(layout_, id));
  Tell(id, VolumeChange::kRolledBack);
  return absl::OkStatus();
}

void VolumeReconciler::Tell(const std::string& id, VolumeChange change) const {
  if (options_.on_change) options_.on_change(id, change);
}

absl::Status VolumeReconciler::Keep(const Evidence& evidence,
                                    const VolumeRow& row) {
  // What is mounted must be known from disk as well. A disk that is full must
  // not keep the index from being right.
  if (!evidence.has_directory || (!evidence.row && !evidence.record)) {
    (void)SaveVolumeRecord(layout_, row);
  }
  if (evidence.row == row) return absl::OkStatus();
  return Noted(index_.PutVolume(row));
}

absl::Status VolumeReconciler::Noted(const absl::Status& status) {
  if (absl::IsUnavailable(status)) index_refuses_ = true;
  return status;
}

}  // namespace oneagent
