// What the mounter's housekeeping has found, for whoever shows it: /readyz and
// /metrics. Called on the threads of the chores; must not block.
#ifndef CSI_CHORE_OBSERVER_H_
#define CSI_CHORE_OBSERVER_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "csi/volume_collector.h"
#include "csi/volume_reconciler.h"

namespace oneagent {

class ChoreObserver {
 public:
  virtual ~ChoreObserver() = default;

  // Looked at each second: whether the index can be used.
  virtual void OnIndex(const absl::Status& usable) = 0;
  // A reconcile, and how it ended.
  virtual void OnReconciled(const absl::StatusOr<ReconcileResult>& result,
                            absl::Duration duration) = 0;
  virtual void OnCollected(const absl::StatusOr<VolumeCollection>& result) = 0;
};

}  // namespace oneagent

#endif  // CSI_CHORE_OBSERVER_H_
