// Makes the index's volume rows say what is true: the kernel's mount table,
// volumes/<v>/volume.json, and the boot id. Run at start before serving, and
// again whenever IsNeeded (the index was replaced, or a publish asked for it);
// until it has succeeded once the provisioner collects nothing.
//
// It executes the verdict of each volume (csi/volume_verdict.h):
//   mounted, empty    row and record say so, with lease or notice
//   waiting           as recorded; layers to trash
//   unfinished        rolled back: no lease, layers to trash, counted as failed
//   lost              kept with its lease: the pod may still be there, and
//                     publish mounts it again
//   of earlier boot   no row; directory to trash; of a volume that was
//   published
//                     empty what its pod wrote into a bare target, too
//   nothing           no row; directory to trash
//   foreign, in doubt kept, with its lease
//
// A library: what it did is in its result. One RunOnce at a time.
#ifndef CSI_VOLUME_RECONCILER_H_
#define CSI_VOLUME_RECONCILER_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "csi/volume_change.h"
#include "csi/volume_context.h"
#include "csi/volume_guard.h"

namespace oneagent {

struct ReconcileResult {
  int64_t mounted = 0;
  int64_t recovered =
      0;                // of those and empty: known from the mount table alone
  int64_t waiting = 0;  // failed so far, or unmounted by somebody else
  int64_t empty = 0;
  int64_t rolled_back = 0;  // mount never finished, or earlier boot
  int64_t unknown = 0;      // could not be told, kept

  bool operator==(const ReconcileResult&) const = default;
};

class VolumeReconciler {
 public:
  // The context is borrowed and must outlive the reconciler.
  VolumeReconciler(const VolumeContext& context, VolumeChangeObserver on_change,
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
  absl::StatusOr<ReconcileResult> RunOnce();

 private:
  absl::StatusOr<ReconcileResult> Run();
  absl::Status Settle(const std::string& id, const MountedVolumes::Shown& shown,
                      ReconcileResult& result);
  absl::Status Execute(const Evidence& evidence, const Verdict& verdict,
                       const std::string& id, ReconcileResult& result);
  absl::Status SettleWaiting(const Evidence& evidence, const VolumeRow& volume,
                             ReconcileResult& result);
  absl::Status Drop(const std::string& id, ReconcileResult& result);
  void Tell(const std::string& id, VolumeChange change) const;

  const VolumeContext& context_;
  const VolumeChangeObserver on_change_;
  const VolumeGuard guard_;
  std::atomic<bool> requested_{false};
};

}  // namespace oneagent

#endif  // CSI_VOLUME_RECONCILER_H_
