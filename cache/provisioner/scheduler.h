// Decides when which DynaKube is reconciled, and when the node is cleaned up:
//
//   scheduler.Start();                       // recovers what a crash left
//   while (!ending) {
//     scheduler.RunOnce(clock.Now());        // never blocks on the network
//     source.WaitForChange(absl::Seconds(1));
//   }
//
// A DynaKube is reconciled at once when it or what it refers to has changed
// (what is under way for what it asked for before is broken off), else every 5
// minutes (ready; later if it asks the API to be spared), every minute
// (waiting) or after a growing delay (failed: 15 s doubling up to 5 min, with 1
// s for the first when nothing but the network failed), and never before a
// tenant that throttles wants to be asked again. Nobody else waits between
// attempts.
//
// Each reconcile has a thread of its own, up to kMostAtOnce, half of them for
// DynaKubes that failed last time, and downloads that move run two at a time: a
// tenant that is slow or silent holds up nobody but itself.
//
// Start, RunOnce and the other calls belong to one thread.
#ifndef CACHE_PROVISIONER_SCHEDULER_H_
#define CACHE_PROVISIONER_SCHEDULER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "cache/collect/collector.h"
#include "cache/kube/dynakube_source.h"
#include "cache/provisioner/commit_gate.h"
#include "cache/provisioner/error_reporter.h"
#include "cache/provisioner/notice_outlet.h"
#include "cache/provisioner/observer.h"
#include "cache/provisioner/reconciler.h"
#include "cache/provisioner/tenant_book.h"
#include "cache/provisioner/tenant_task.h"
#include "cache/provisioner/waiting_volumes.h"
#include "cache/provisioner/worker_pool.h"
#include "cache/store/store.h"

namespace oneagent {

class Scheduler {
 public:
  struct Parts {  // all borrowed, must outlive the scheduler
    DynaKubeSource& source;
    TenantReconciler& reconciler;
    Collector& collector;
    Store& store;
    Index& index;
    TenantBook& book;
    CommitGate& gate;
    NoticeOutlet& notices;
    CacheObserver& observer;
  };
  // How a DynaKube stands after WaitUntilSettled.
  struct Standing {
    std::string dynakube;
    TenantState state = TenantState::kWaiting;
    std::string reason;
  };

  explicit Scheduler(const Parts& parts);
  // Ends as Stop, then waits for what has begun.
  ~Scheduler();

  // Brings disk and index together. Errors: those of Store::Recover and
  // TenantBook::Restore; the scheduler may run all the same.
  absl::Status Start();

  // One look at everything: lists if the source may have changed or a minute
  // is over, marks DynaKubes that are gone, starts what is due.
  void RunOnce(absl::Time now);

  // For --once and tests. ListOnce is RunOnce up to and without starting
  // anything; WaitUntilSettled starts what is due at `now`, and what waits for
  // it, until nothing is left or `is_ended` (if any) says so.
  void ListOnce(absl::Time now);
  void WaitUntilSettled(absl::Time now,
                        const std::function<bool()>& is_ended = nullptr);
  // When the first of those that failed for a passing cause is due; nullopt:
  // there is none.
  std::optional<absl::Time> SoonestRetry();
  // A collection on the calling thread, while nothing else runs.
  void Collect();
  // By name.
  std::vector<Standing> Standings();
  // The last list succeeded and nothing had to be left out of it.
  bool IsListComplete() const {
    return list_status_.ok() && state_.complete && state_.problems.empty();
  }

  // A complete list is known, and there is an agent for a DynaKube that needs
  // one, or none needs one. One that cannot be read might need one.
  bool IsFirstAgentReady();

  // Nothing more begins. False when something still ran after `timeout`.
  bool Stop(absl::Duration timeout);

  // The next RunOnce lists, whenever it comes.
  void ListSoon() { list_soon_ = true; }

 private:
  struct Entry {
    explicit Entry(TenantTask t) : task(std::move(t)) {}
    TenantTask task;  // as last listed
    bool running = false;
    bool changed = true;    // since the last reconcile began
    bool put_off = false;   // until another one is done
    int failures = 0;       // in a row
    bool may_pass = false;  // the last one; with the next attempt
    // Shared with the reconcile that runs, which may outlive the entry.
    std::shared_ptr<std::atomic<bool>> outdated =
        std::make_shared<std::atomic<bool>>(false);
    absl::Time due = absl::InfinitePast();
    absl::Time started = absl::InfinitePast();
    Standing standing;  // of the last reconcile
  };

  void LookAtIndex(absl::Time now);
  void FollowVolumes(absl::Time now);
  absl::Status Recover();
  absl::Status FindLostRows();
  absl::Status RememberTrouble();
  void List(absl::Time now);
  void ReportProblems(const std::vector<SourceProblem>& problems);
  void TakeTasks();
  void ForgetGone(absl::Time now);
  absl::Status ForgetOne(const TenantRow& row, absl::Time now);
  void StartDue(absl::Time now);
  bool IsDue(const Entry& entry, absl::Time now) const;
  void Start(Entry& entry, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool IsWorthCollecting(absl::Time now);
  void Finished(const ReconcileReport& report);
  bool IsAnyRunning() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool CollectIfPossible();

  const Parts parts_;
  ErrorReporter errors_;

  // Only the calling thread's.
  ClusterState state_;  // as last listed
  absl::Status list_status_ = absl::UnavailableError("not listed yet");
  bool list_soon_ = true;
  bool trouble_is_stored_ = true;  // in the index; by whom is not known
  absl::Time next_list_ = absl::InfinitePast();
  absl::Time next_collection_ = absl::InfinitePast();
  uint64_t change_count_ = 0;
  bool index_changed_ = true;
  std::vector<SourceProblem> problems_;  // reported already
  WaitingVolumes waiting_volumes_;

  Mutex mu_;
  absl::BitGen random_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mu_);
  // Reported, by what was done and about whom.
  bool volumes_may_go_ ABSL_GUARDED_BY(mu_) = true;  // a reconcile has ended
  bool round_done_ ABSL_GUARDED_BY(mu_) = false;  // since the last collection
  bool collecting_ ABSL_GUARDED_BY(mu_) = false;
  bool tenants_known_ ABSL_GUARDED_BY(mu_) = false;

  // Last: its threads use all of the above.
  std::unique_ptr<WorkerPool> pool_;
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_SCHEDULER_H_
