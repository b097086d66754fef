// What the mounter does besides answering calls: reconciles when the index was
// replaced, tells it what it would not take, collects, counts. Each chore is a
// function that tests call; Start puts a thread around each.
#ifndef CSI_HOUSEKEEPING_H_
#define CSI_HOUSEKEEPING_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/log.h"
#include "csi/chore_observer.h"
#include "csi/periodic_task.h"
#include "csi/volume_book.h"
#include "csi/volume_change.h"
#include "csi/volume_collector.h"
#include "csi/volume_guard.h"
#include "csi/volume_reconciler.h"
#include "csi/volume_stats.h"

namespace oneagent {

class Housekeeping {
 public:
  // All borrowed; must outlive this.
  struct Parts {
    VolumeBook& book;
    VolumeReconciler& reconciler;
    VolumeCollector& collector;
    VolumeStats& stats;
    // That of the queue that publish and unpublish wait in; reconciler and
    // collector must be guarded by it too.
    VolumeGuard guard;
    const Log& log;
    const Clock& clock;
    std::vector<ChoreObserver*> observers = {};
  };
  explicit Housekeeping(Parts parts);

  // The first reconcile, by a reconciler that needs no guard because nothing
  // else runs yet. Before Start.
  void ReconcileAtStart(VolumeReconciler& unguarded);

  // Reconciles if that is needed. One line for each reconcile, and one when
  // its failure changes: with an index that is broken for hours there is not
  // a line each second. One thread at a time.
  void ReconcileOnce();

  // Tells the index what it would not take. The same of its lines.
  void FlushOnce();

  // One thread at a time, which may be another one.
  void CollectOnce();

  // Every second twice, 30 s and 10 s, until this is destroyed (which waits for
  // a chore that is at work).
  void Start();

 private:
  absl::StatusOr<ReconcileResult> Reconcile(VolumeReconciler& reconciler);

  const Parts parts_;

  std::string reconcile_failure_;  // said last; empty: none
  std::string flush_failure_;
  std::string collect_failure_;
  std::vector<std::unique_ptr<PeriodicTask>> tasks_;  // last: use the others
};

// The line that each changed volume leaves.
void LogVolumeChange(const Log& log, const std::string& volume_id,
                     VolumeChange change);

}  // namespace oneagent

#endif  // CSI_HOUSEKEEPING_H_
