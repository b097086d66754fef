#include "csi/mounted_volumes.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "csi/app_view.h"
#include "csi/volume_verdict.h"

namespace oneagent {
namespace {

constexpr char kOrphan[] = "orphan-";

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

std::string IdOf(const std::optional<KubeletPlace>& place,
                 const std::string& mount_point) {
  if (place) {
    return absl::StrCat("csi-", Sha256Hex(place->pod_uid + place->volume_name));
  }
  return absl::StrCat(kOrphan, Sha256Hex(mount_point).substr(0, 16));
}

}  // namespace

MountedVolumes::MountedVolumes(Layout layout, std::string kubelet_dir,
                               std::string boot_id, ReadTable read_table)
    : layout_(std::move(layout)),
      kubelet_dir_(std::move(kubelet_dir)),
      boot_id_(std::move(boot_id)),
      read_table_(std::move(read_table)) {}

absl::StatusOr<MountedVolumes::Shown> MountedVolumes::List() const {
  ASSIGN_OR_RETURN(const std::vector<MountEntry> entries, read_table_());
  Shown all;
  for (const MountEntry& entry : entries) {
    std::optional<VolumeRow> row = Recognize(entry);
    if (!row) continue;
    const std::string id = row->id;
    all.emplace(id, *std::move(row));
  }
  return all;
}

absl::StatusOr<std::vector<std::string>> MountedVolumes::BoundStorages() const {
  ASSIGN_OR_RETURN(const std::vector<MountEntry> entries, read_table_());
  std::vector<std::string> names;
  for (const MountEntry& entry : entries) {
    // The table names a bind's directory from the root of its file system,
    // which is at or above host/.
    names.push_back(entry.root.substr(entry.root.rfind('/') + 1));
  }
  return names;
}

std::optional<VolumeRow> MountedVolumes::Recognize(
    const MountEntry& entry) const {
  if (entry.source != kMountSource) return std::nullopt;
  const std::optional<KubeletPlace> place = ParsePlace(entry.mount_point);
  VolumeRow row;
  row.target = KubeletTarget(entry.mount_point);
  row.boot_id = boot_id_;
  if (place && IsVolumeId(place->pod_uid)) row.pod_uid = place->pod_uid;
  row.id = IdOf(place, entry.mount_point);
  if (entry.fs_type == "tmpfs" && place) {
    row.state = VolumeState::kEmpty;
    row.reason = kLostRecord;
    return row;
  }
  const std::optional<ShownApp> app = RecognizeApp(layout_, entry);
  if (!app || !IsVolumeId(app->agent_id)) return std::nullopt;
  row.state = VolumeState::kMounted;
  row.agent_id = app->agent_id;
  if (IsVolumeId(app->config_id)) row.config_id = app->config_id;
  row.read_only = app->read_only;
  if (IsVolumeId(app->volume_id)) row.id = app->volume_id;
  return row;
}

std::string MountedVolumes::KubeletTarget(
    const std::string& mount_point) const {
  const std::optional<KubeletPlace> place = ParsePlace(mount_point);
  if (!place) return mount_point;
  return absl::StrCat(kubelet_dir_, "/", place->below_kubelet);
}

const VolumeRow* FindShown(const MountedVolumes::Shown& shown,
                           const std::string& target) {
  for (const auto& [unused, row] : shown) {
    if (row.target == target) return &row;
  }
  return nullptr;
}

bool MayBeMounted(const MountedVolumes::Shown& shown, const VolumeRow& volume) {
  for (const auto& [id, row] : shown) {
    if (id == volume.id || row.target == volume.target) return true;
    if (absl::StartsWith(id, kOrphan) && !volume.agent_id.empty() &&
        row.agent_id == volume.agent_id) {
      return true;
    }
  }
  return false;
}

}  // namespace oneagent
