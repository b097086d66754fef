// The mounter's own collection: volumes whose pod is gone without an Unpublish
// (a reboot, a forced deletion, a final error), their failure records, host
// storage of DynaKubes that are gone, and trash/volumes. In doubt nothing.
//
// A library: what it did is in its result. One RunOnce at a time.
#ifndef CSI_VOLUME_COLLECTOR_H_
#define CSI_VOLUME_COLLECTOR_H_

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cache/index/index.h"
#include "cache/index/layout.h"
#include "cache/index/rows.h"
#include "csi/volume_change.h"
#include "csi/volume_guard.h"
#include "overlay/mount_table.h"
#include "overlay/mounter.h"
#include "overlay/target_resolver.h"

namespace oneagent {

struct VolumeCollection {
  int64_t volumes = 0;        // released, directory in trash
  int64_t host_storages = 0;  // in trash
  int64_t trees = 0;          // deleted from trash
  int64_t bytes = 0;          // freed by that
  // Only the trash was emptied: the index was not reconciled in this boot.
  bool in_doubt = false;

  bool operator==(const VolumeCollection&) const = default;
};

class VolumeCollector {
 public:
  struct Options {
    std::string boot_id;
    // A container's private mount namespace may still show the layers of a
    // volume that is unpublished.
    absl::Duration trash_age = absl::Minutes(1);
    absl::Duration host_grace = absl::Minutes(5);
    // Asked while the trash is emptied: true ends it early.
    std::function<bool()> stopped = {};
    // The mount table of this process; tests may put another in its place.
    std::function<absl::StatusOr<std::vector<MountEntry>>()> read_mounts =
        ReadMountTable;
    VolumeChangeObserver on_change = {};
  };
  // All borrowed; must outlive the collector.
  VolumeCollector(Options options, Layout layout, Index& index,
                  Mounter& mounter, const TargetResolver& targets,
                  VolumeGuard guard = RunUnguarded);

  // Empties the trash in any case; collects volumes and host storage only from
  // an index that was reconciled in this boot. Goes on after a failure and
  // returns the first one.
  absl::StatusOr<VolumeCollection> RunOnce(absl::Time now);

 private:
  absl::Status CollectVolumes(absl::Time now, VolumeCollection& result);
  absl::Status CollectVolume(const std::string& id, absl::Time now,
                             VolumeCollection& result);
  absl::Status CollectHostStorage(absl::Time now, VolumeCollection& result);
  absl::StatusOr<std::set<std::string>> DeletedDynakubes(absl::Time now);
  // Names of the storages that a volume uses, by row or by mount.
  absl::StatusOr<std::set<std::string>> UsedHostStorages();
  // True when nothing of the volume can be left on this node.
  bool IsGone(const VolumeRow& row);

  const Options options_;
  const Layout layout_;
  Index& index_;
  Mounter& mounter_;
  const TargetResolver& targets_;
  const VolumeGuard guard_;
};

}  // namespace oneagent

#endif  // CSI_VOLUME_COLLECTOR_H_
