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

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cache/index/rows.h"
#include "csi/volume_change.h"
#include "csi/volume_context.h"
#include "csi/volume_guard.h"

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
    // A container's private mount namespace may still show the layers of a
    // volume that is unpublished.
    absl::Duration trash_age = absl::Minutes(1);
    absl::Duration host_grace = absl::Minutes(5);
    // Asked while the trash is emptied: true ends it early.
    std::function<bool()> stopped = {};
    VolumeChangeObserver on_change = {};
  };
  // The context is borrowed and must outlive the collector.
  VolumeCollector(Options options, const VolumeContext& context,
                  VolumeGuard guard = RunUnguarded);

  // Empties the trash in any case; collects volumes and host storage only from
  // an index that was reconciled in this boot. Goes on after a failure and
  // returns the first one.
  absl::StatusOr<VolumeCollection> RunOnce(absl::Time now);

 private:
  absl::Status CollectVolumes(VolumeCollection& result);
  absl::Status CollectVolume(const std::string& id,
                             const MountedVolumes::Shown& shown,
                             VolumeCollection& result);
  absl::Status CollectHostStorage(absl::Time now, VolumeCollection& result);
  absl::StatusOr<std::set<std::string>> DeletedDynakubes(absl::Time now);
  // Names of the storages that a volume uses, by row or by mount.
  absl::StatusOr<std::set<std::string>> UsedHostStorages();
  // True when the paths say that nothing of the volume is left on this node.
  bool IsGone(const VolumeRow& row);

  const Options options_;
  const VolumeContext& context_;
  const VolumeGuard guard_;
};

}  // namespace oneagent

#endif  // CSI_VOLUME_COLLECTOR_H_
