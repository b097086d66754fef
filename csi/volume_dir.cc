#include "csi/volume_dir.h"

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/durable_file.h"
#include "base/status_macros.h"
#include "base/trash.h"
#include "cache/index/records.h"
#include "overlay/kernel_mounter.h"

namespace oneagent {
namespace {

// May upper/ and work/ of `left` be mounted again as what `row` wants?
bool SameLayers(const absl::StatusOr<VolumeRow>& left, const VolumeRow& row) {
  return left.ok() && left->boot_id == row.boot_id && left->mode == row.mode &&
         left->read_only == row.read_only && left->agent_id == row.agent_id &&
         left->config_id == row.config_id;
}

}  // namespace

absl::Status PrepareVolumeDir(const Layout& layout, const VolumeRow& row) {
  ASSIGN_OR_RETURN(const bool is_left, PathExists(layout.VolumeDir(row.id)));
  const bool reuse =
      is_left && SameLayers(ReadVolumeRecord(layout, row.id), row);
  if (reuse) {
    // A container's private copy of an old mount may still show it: replaced,
    // never written to.
    RETURN_IF_ERROR(
        MoveToTrash(layout.VolumePodLayer(row.id), layout.TrashVolumes()));
  } else if (is_left) {
    RETURN_IF_ERROR(TrashVolumeDir(layout, row.id));
  }
  RETURN_IF_ERROR(EnsureDirectory(layout.VolumeDir(row.id), 0700));
  if (row.mode == VolumeMode::kHost || row.read_only) return absl::OkStatus();
  RETURN_IF_ERROR(EnsureDirectory(layout.VolumeUpper(row.id), 0777));
  RETURN_IF_ERROR(EnsureDirectory(layout.VolumeWork(row.id), 0700));
  return reuse ? ClearVolatileMarker(layout.VolumeWork(row.id))
               : absl::OkStatus();
}

absl::Status TrashLayers(const Layout& layout, absl::string_view volume_id) {
  absl::Status first_error;
  for (const std::string& path :
       {layout.VolumePodLayer(volume_id), layout.VolumeUpper(volume_id),
        layout.VolumeWork(volume_id)}) {
    first_error.Update(MoveToTrash(path, layout.TrashVolumes()));
  }
  return first_error;
}

absl::Status TrashVolumeDir(const Layout& layout, absl::string_view volume_id) {
  return MoveToTrash(layout.VolumeDir(volume_id), layout.TrashVolumes());
}

absl::Status SaveVolumeRecord(const Layout& layout, const VolumeRow& row) {
  RETURN_IF_ERROR(EnsureDirectory(layout.VolumeDir(row.id), 0700));
  return WriteVolumeRecord(layout, row);
}

}  // namespace oneagent
