// Our volumes as the mount table shows them, which tells the truth when index
// and records are lost. Reading the table costs 36 ms at 4000 mounts: it is
// for what starts, collects, or has found something that it cannot explain.
// Thread-safe.
#ifndef CSI_MOUNTED_VOLUMES_H_
#define CSI_MOUNTED_VOLUMES_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cache/index/layout.h"
#include "cache/index/rows.h"
#include "overlay/mount_table.h"

namespace oneagent {

class MountedVolumes {
 public:
  using ReadTable = std::function<absl::StatusOr<std::vector<MountEntry>>()>;
  // By id. `mounted` with agent and configuration, or `empty`, of this boot;
  // target and pod's uid as far as the mount point tells them. A mount that
  // names no volume has the id that kubelet gives to an inline volume there,
  // or, elsewhere, one that begins with "orphan-".
  using Shown = std::map<std::string, VolumeRow>;

  // `kubelet_dir` as kubelet names it: it may be a link, which the mount table
  // shows resolved. Tests put another table in the place of this process's.
  MountedVolumes(Layout layout, std::string kubelet_dir, std::string boot_id,
                 ReadTable read_table = ReadMountTable);

  // Unavailable when the table cannot be read.
  absl::StatusOr<Shown> List() const;

  // Names of the host storages that are bound somewhere.
  absl::StatusOr<std::vector<std::string>> BoundStorages() const;

 private:
  std::optional<VolumeRow> Recognize(const MountEntry& entry) const;
  std::string KubeletTarget(const std::string& mount_point) const;

  const Layout layout_;
  const std::string kubelet_dir_;
  const std::string boot_id_;
  const ReadTable read_table_;
};

// The one at `target`, as kubelet names it; nullptr: none.
const VolumeRow* FindShown(const MountedVolumes::Shown& shown,
                           const std::string& target);

// Whether a mount of the volume is left, at whatever path: its pod's directory
// may have been renamed or covered. One that does not say whose it is may be
// that of any volume with its agent.
bool MayBeMounted(const MountedVolumes::Shown& shown, const VolumeRow& volume);

}  // namespace oneagent

#endif  // CSI_MOUNTED_VOLUMES_H_
