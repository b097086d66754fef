// volumes/<v>: the volume's record, the layers that belong to it alone. What
// is taken away goes to trash/volumes by one rename; nothing in upper/ is ever
// read or followed here, pods write there. Thread-safe for different volumes.
#ifndef CSI_VOLUME_DIR_H_
#define CSI_VOLUME_DIR_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "cache/index/layout.h"
#include "cache/index/rows.h"

namespace oneagent {

// Makes volumes/<v> (0700) and, unless the volume is read-only or of mode
// host, upper/ (0777: its mode is that of the volume's root) and work/.
//
// What an earlier attempt left is used again when its record says that it was
// of this boot and of the same agent and configuration; then the marker of a
// volatile overlay is removed. Everything else (an earlier boot: data may be
// lost; no record; other layers below) goes to trash, and so does pod/ always.
absl::Status PrepareVolumeDir(const Layout& layout, const VolumeRow& row);

// Moves pod/, upper/ and work/ to trash and leaves the record. Goes on after a
// failure and returns the first one.
absl::Status TrashLayers(const Layout& layout, absl::string_view volume_id);

// Moves volumes/<v> to trash. A missing one is OK.
absl::Status TrashVolumeDir(const Layout& layout, absl::string_view volume_id);

// Writes the record, making volumes/<v> if it is not there.
absl::Status SaveVolumeRecord(const Layout& layout, const VolumeRow& row);

}  // namespace oneagent

#endif  // CSI_VOLUME_DIR_H_
