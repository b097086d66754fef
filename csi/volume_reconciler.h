// Makes the index's volume rows say what is true: the kernel's mount table,
// volumes/<v>/volume.json, and the boot id. Run at start before serving, and
// again whenever IsNeeded (the index was replaced, or a publish asked for it);
// until it has succeeded once the provisioner collects nothing.
//
// What it finds, and what it does:
//   a mount of ours                      row `mounted` with its lease; found by
//                                        record, or, where record and row are
//                                        lost or say otherwise, by the layers
//                                        in the mount table
//   an empty volume of ours              row `empty` with its notice, whatever
//                                        the row says
//   leased, not mounted, `mounting`      rolled back: no lease, layers to trash
//   leased, not mounted, `mounted`       kept, row `mounting`: somebody else
//                                        unmounted it and the pod may still be
//                                        there; publish mounts it again
//   failed so far (`waiting`), `empty`   row as recorded
//   anything of an earlier boot          no row; directory to trash; of a
//                                        volume published empty the target too
//   a directory without readable record  to trash, unless the mount table
//                                        shows a mount of it
//   a row with nothing to it             deleted
//   what cannot be told                  kept, with its lease
//
// A library: what it did is in its result. One RunOnce at a time.
#ifndef CSI_VOLUME_RECONCILER_H_
#define CSI_VOLUME_RECONCILER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
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

struct ReconcileResult {
  int64_t mounted = 0;
  int64_t recovered = 0;  // of those: known from the mount table alone
  int64_t waiting = 0;    // failed so far, or unmounted by somebody else
  int64_t empty = 0;
  int64_t rolled_back = 0;  // mount never finished, or earlier boot
  int64_t unknown = 0;      // could not be told, kept

  bool operator==(const ReconcileResult&) const = default;
};

class VolumeReconciler {
 public:
  struct Options {
    std::string boot_id;
    std::string kubelet_dir;  // as kubelet names it in its targets
    // The mount table of this process; tests may put another in its place.
    std::function<absl::StatusOr<std::vector<MountEntry>>()> read_mounts =
        ReadMountTable;
    VolumeChangeObserver on_change = {};
  };
  // All borrowed; must outlive the reconciler.
  VolumeReconciler(Options options, Layout layout, Index& index,
                   Mounter& mounter, const TargetResolver& targets,
                   VolumeGuard guard = RunUnguarded);

  // True unless this very index file was reconciled in this boot, and since
  // the last Request.
  absl::StatusOr<bool> IsNeeded();

  // Makes IsNeeded true until the next RunOnce that succeeds. Thread-safe.
  void Request() { requested_ = true; }

  // Nothing is changed when the mount table, the volumes' directory or the
  // index cannot be read. Goes on after a volume that fails, but ends at once
  // when the index answers Unavailable: with one that is locked each volume
  // would wait anew. Any error: the index is not marked as reconciled.
  absl::StatusOr<ReconcileResult> RunOnce(absl::Time now);

 private:
  // What the mount table says about one volume.
  struct Found {
    VolumeRow row;  // id, target, pod_uid, agent, config, mode, state
  };
  // What is known about one volume; read under its key.
  struct Evidence {
    std::optional<VolumeRow> row;
    std::optional<VolumeRow> record;  // readable
    bool has_directory = false;
    const Found* found = nullptr;
  };
  enum class Presence { kMounted, kNotMounted, kUnknown };

  absl::StatusOr<ReconcileResult> Run(absl::Time now);
  absl::StatusOr<std::map<std::string, Found>> ReadFound();
  std::optional<Found> Recognize(const MountEntry& entry) const;
  std::string KubeletTarget(const std::string& mount_point) const;

  absl::Status Settle(const std::string& id, const Found* found, absl::Time now,
                      ReconcileResult& result);
  absl::StatusOr<Evidence> Gather(const std::string& id, const Found* found);
  Presence Look(const VolumeRow& row);
  absl::Status SettleMounted(const Evidence& evidence, VolumeRow row,
                             absl::Time now, ReconcileResult& result);
  absl::Status SettleUnmounted(const Evidence& evidence, VolumeRow row,
                               absl::Time now, ReconcileResult& result);
  absl::Status SettleWaiting(const Evidence& evidence, const VolumeRow& row,
                             ReconcileResult& result);
  absl::Status SettleEmpty(const Evidence& evidence, VolumeRow row,
                           absl::Time now, ReconcileResult& result);
  // The record calls the volume empty, at the target that `row` names.
  bool IsRecordedEmpty(const Evidence& evidence, const VolumeRow& row) const;
  void DeleteBareTarget(const Evidence& evidence);
  absl::Status Drop(const std::string& id, absl::Time now,
                    ReconcileResult& result);
  void Tell(const std::string& id, VolumeChange change) const;
  // Writes the row unless the index has it already.
  absl::Status Keep(const Evidence& evidence, const VolumeRow& row);
  // `status` of a call of the index, noted if that could not be used.
  absl::Status Noted(const absl::Status& status);

  const Options options_;
  const Layout layout_;
  Index& index_;
  Mounter& mounter_;
  const TargetResolver& targets_;
  const VolumeGuard guard_;
  std::atomic<bool> requested_{false};
  bool index_refuses_ = false;  // in the run in progress
};

}  // namespace oneagent

#endif  // CSI_VOLUME_RECONCILER_H_
