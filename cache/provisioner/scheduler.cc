#include "cache/provisioner/scheduler.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cache/provisioner/lost_rows.h"
#include "cache/provisioner/retry_delay.h"

namespace oneagent {
namespace {

// More than a node has DynaKubes that hang at a time: their threads only wait,
// each with 1 MB for its TLS.
constexpr size_t kMostAtOnce = 128;
constexpr size_t kMostFailingAtOnce = kMostAtOnce / 2;
constexpr absl::Duration kListAtLeast = absl::Minutes(1);
constexpr absl::Duration kCollectAtLeast = absl::Minutes(1);
constexpr absl::Duration kPutOffAgain = absl::Seconds(5);
constexpr absl::Duration kLookWhetherEnded = absl::Milliseconds(100);

}  // namespace

Scheduler::Scheduler(const Parts& parts)
    : parts_(parts),
      errors_(parts.observer),
      waiting_volumes_(parts.index, parts.observer),
      pool_(std::make_unique<WorkerPool>(kMostAtOnce + 1)) {}

Scheduler::~Scheduler() { pool_->Stop(); }

absl::Status Scheduler::Start() { return Recover(); }

absl::Status Scheduler::Recover() {
  absl::Status status = parts_.store.Recover();
  status.Update(parts_.book.Restore());
  return status;
}

void Scheduler::ListOnce(absl::Time now) {
  LookAtIndex(now);
  // A clock that was set back must not put anything off.
  const bool is_due = now >= next_list_ || next_list_ > now + kListAtLeast;
  if (list_soon_ || is_due) List(now);
}

void Scheduler::RunOnce(absl::Time now) {
  ListOnce(now);
  StartDue(now);
  if (IsWorthCollecting(now)) {
    next_collection_ = now + kCollectAtLeast;
    pool_->Submit([this] {
      const bool collected = CollectIfPossible();
      MutexLock lock(mu_);
      collecting_ = false;
      round_done_ = round_done_ || !collected;
    });
  }
}

// Another process wrote to the index, or replaced it by a new file: what the
// mounter left for us is there, what we had written may be gone.
void Scheduler::LookAtIndex(absl::Time now) {
  const absl::StatusOr<uint64_t> count = parts_.index.ChangeCount();
  errors_.Report(Chore::kLookAtIndex, count.status());
  parts_.observer.OnTurn(count.status());
  if (!count.ok()) return;
  if (*count != change_count_) {
    index_changed_ = true;
    // A lease may have ended: its agent can be had when the grace is over.
    next_collection_ = std::min(next_collection_,
                                now + parts_.collector.limits().grace_period);
  }
  change_count_ = *count;
  FollowVolumes(now);
  if (!index_changed_) return;
  errors_.Report(Chore::kDeliverNotices, parts_.notices.Deliver());
  // A commit that is under way looks like a record without a row.
  if (!parts_.gate.TryBeginSweep()) return;
  const auto end = absl::MakeCleanup([this] { parts_.gate.EndSweep(); });
  const absl::Status looked = FindLostRows();
  errors_.Report(Chore::kFindLostRows, looked);
  index_changed_ = !looked.ok();
}

// What can not be brought back from disk is installed anew, and not only when
// the DynaKube's turn comes.
absl::Status Scheduler::FindLostRows() {
  ASSIGN_OR_RETURN(const bool are_missing,
                   RowsAreMissing(parts_.store.layout(), parts_.index));
  if (are_missing) errors_.Report(Chore::kRecover, Recover());
  ASSIGN_OR_RETURN(const std::vector<std::string> in_need,
                   DynaKubesInNeed(parts_.index));
  MutexLock lock(mu_);
  for (const std::string& dynakube : in_need) {
    const auto found = entries_.find(dynakube);
    if (found != entries_.end()) found->second.due = absl::InfinitePast();
  }
  return absl::OkStatus();
}

// The mounter may have written of volumes that wait, and each reconcile may
// have brought what they wait for.
void Scheduler::FollowVolumes(absl::Time now) {
  {
    MutexLock lock(mu_);
    if (!std::exchange(volumes_may_go_, false) && !index_changed_) return;
  }
  const absl::StatusOr<bool> is_more = waiting_volumes_.Look(now);
  errors_.Report(Chore::kFollowVolumes, is_more.status());
  MutexLock lock(mu_);
  volumes_may_go_ = volumes_may_go_ || !is_more.ok() || *is_more;
}

// For whoever looks at the index: why what it says of tenants may be old, or
// why nothing is collected.
absl::Status Scheduler::RememberTrouble() {
  std::string trouble(list_status_.message());
  if (list_status_.ok() && !state_.complete) {
    trouble = "nothing is collected while a DynaKube may be hidden";
    for (const SourceProblem& problem : state_.problems) {
      if (!problem.dynakube.empty()) continue;
      absl::StrAppend(&trouble, ": ", problem.object, ": ", problem.cause);
      break;
    }
  }
  if (trouble.empty() && !trouble_is_stored_) return absl::OkStatus();
  RETURN_IF_ERROR(parts_.index.SetSourceTrouble(trouble));
  trouble_is_stored_ = !trouble.empty();
  return absl::OkStatus();
}

void Scheduler::List(absl::Time now) {
  list_soon_ = false;
  next_list_ = now + kListAtLeast;
  absl::StatusOr<ClusterState> state = parts_.source.List();
  list_status_ = state.status();
  errors_.Report(Chore::kListDynaKubes, list_status_);
  errors_.Report(Chore::kWatchDynaKubes, parts_.source.WatchHealth());
  parts_.observer.OnListed(list_status_);
  if (!state.ok()) {
    errors_.Report(Chore::kLookAtIndex, RememberTrouble());
    MutexLock lock(mu_);
    tenants_known_ = false;
    return;
  }
  ReportProblems(state->problems);
  state_ = *std::move(state);
  errors_.Report(Chore::kLookAtIndex, RememberTrouble());
  TakeTasks();
  if (state_.complete) ForgetGone(now);
  MutexLock lock(mu_);
  tenants_known_ = state_.complete;
}

void Scheduler::ReportProblems(const std::vector<SourceProblem>& problems) {
  for (const SourceProblem& problem : problems) {
    if (std::find(problems_.begin(), problems_.end(), problem) ==
        problems_.end()) {
      parts_.observer.OnProblem(problem);
    }
  }
  problems_ = problems;
}

void Scheduler::TakeTasks() {
  std::map<std::string, TenantTask> tasks = TasksOf(state_);
  MutexLock lock(mu_);
  for (auto& [name, task] : tasks) {
    const auto found = entries_.find(name);
    if (found == entries_.end()) {
      entries_.emplace(name, Entry(std::move(task)));
    } else if (!(found->second.task == task)) {
      Entry& entry = found->second;
      // What it asks for now need not wait for what it asked for before.
      if (!(entry.task.desired == task.desired)) *entry.outdated = true;
      entry.task = std::move(task);
      entry.changed = true;
    }
  }
}

void Scheduler::ForgetGone(absl::Time now) {
  std::set<std::string> names;
  for (const v1::DynaKube& dynakube : state_.dynakubes) {
    names.insert(dynakube.metadata().name());
  }
  // What is broken is there.
  for (const SourceProblem& problem : state_.problems) {
    names.insert(problem.dynakube);
  }
  const absl::StatusOr<std::vector<TenantRow>> rows =
      parts_.index.ListTenants();
  errors_.Report(Chore::kForgetDynaKube, rows.status());
  if (!rows.ok()) return;
  for (const TenantRow& row : *rows) {
    if (names.contains(row.dynakube)) continue;
    errors_.Report(Chore::kForgetDynaKube, ForgetOne(row, now), row.dynakube);
  }
  MutexLock lock(mu_);
  for (auto it = entries_.begin(); it != entries_.end();) {
    const bool is_gone = !names.contains(it->first);
    it = is_gone && !it->second.running ? entries_.erase(it) : std::next(it);
  }
}

absl::Status Scheduler::ForgetOne(const TenantRow& row, absl::Time now) {
  {
    MutexLock lock(mu_);
    const auto found = entries_.find(row.dynakube);
    if (found != entries_.end() && found->second.running) {
      // Its last reconcile would write over it: at the next look.
      list_soon_ = true;
      return absl::OkStatus();
    }
  }
  if (row.deleted_at != absl::InfinitePast()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const bool is_new, parts_.book.Forget(row.dynakube, now));
  if (is_new) parts_.observer.OnDeleted(row.dynakube);
  return absl::OkStatus();
}

bool Scheduler::IsDue(const Entry& entry, absl::Time now) const {
  const bool is_time = entry.due <= now || entry.started > now;
  return !entry.running && (entry.changed || is_time);
}

void Scheduler::StartDue(absl::Time now) {
  MutexLock lock(mu_);
  size_t running = 0;
  size_t failing = 0;
  for (const auto& [name, entry] : entries_) {
    running += entry.running ? 1 : 0;
    failing += entry.running && entry.failures > 0 ? 1 : 0;
  }
  // Who failed last time may hang again: the others go first.
  for (const bool has_failed : {false, true}) {
    for (auto& [name, entry] : entries_) {
      if ((entry.failures > 0) != has_failed || !IsDue(entry, now)) continue;
      if (running == kMostAtOnce) return;
      if (has_failed && failing == kMostFailingAtOnce) return;
      ++running;
      failing += has_failed ? 1 : 0;
      Start(entry, now);
    }
  }
}

void Scheduler::Start(Entry& entry, absl::Time now) {
  entry.running = true;
  entry.changed = false;
  entry.put_off = false;
  entry.started = now;
  *entry.outdated = false;
  pool_->Submit([this, task = entry.task, outdated = entry.outdated] {
    Finished(parts_.reconciler.Reconcile(
        task, [&outdated] { return outdated->load(); }));
    // What this one was waited for with can go on.
    parts_.source.Interrupt();
  });
}

void Scheduler::Finished(const ReconcileReport& report) {
  MutexLock lock(mu_);
  const auto found = entries_.find(report.row.dynakube);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  entry.running = false;
  if (report.outdated) return;  // it has changed, and so begins anew
  entry.standing = {.dynakube = report.row.dynakube,
                    .state = report.row.state,
                    .reason = report.row.reason};
  if (report.cancelled) {
    entry.standing.state = TenantState::kFailed;
    entry.standing.reason = "ended by shutdown";
    entry.due = absl::InfiniteFuture();
    return;
  }
  const absl::Time ended = entry.started + report.duration;
  if (report.pending) {
    // Whom it waits for may be done by now: then nobody would wake it.
    const bool others_run = IsAnyRunning();
    entry.put_off = others_run;
    entry.due = others_run ? ended + kPutOffAgain : absl::InfinitePast();
    return;
  }
  entry.may_pass = MayPass(report);
  entry.failures = IsFailure(report) ? entry.failures + 1 : 0;
  entry.due = ended + DelayAfter(report, entry.task, entry.failures, random_);
  for (auto& [name, each] : entries_) {
    if (!each.put_off) continue;
    each.put_off = false;
    each.due = absl::InfinitePast();
  }
  round_done_ = true;
  volumes_may_go_ = true;
}

std::optional<absl::Time> Scheduler::SoonestRetry() {
  MutexLock lock(mu_);
  std::optional<absl::Time> soonest;
  for (const auto& [name, entry] : entries_) {
    if (!entry.may_pass) continue;
    soonest = std::min(soonest.value_or(entry.due), entry.due);
  }
  return soonest;
}

bool Scheduler::IsAnyRunning() const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [](const auto& each) { return each.second.running; });
}

// After a round of reconciles, each minute, and when what the mounter let go
// has had its grace.
bool Scheduler::IsWorthCollecting(absl::Time now) {
  MutexLock lock(mu_);
  const bool is_due =
      now >= next_collection_ || next_collection_ > now + kCollectAtLeast;
  if (collecting_ || !((round_done_ && !IsAnyRunning()) || is_due))
    return false;
  collecting_ = true;
  round_done_ = false;
  return true;
}

bool Scheduler::CollectIfPossible() {
  if (!parts_.gate.TryBeginSweep()) return false;
  const auto end = absl::MakeCleanup([this] { parts_.gate.EndSweep(); });
  bool tenants_known = false;
  {
    MutexLock lock(mu_);
    tenants_known = tenants_known_;
  }
  const absl::StatusOr<CollectionResult> result =
      parts_.collector.RunOnce(tenants_known);
  errors_.Report(Chore::kCollect, result.status());
  if (result.ok()) {
    parts_.observer.OnCollected(*result);
  } else {
    parts_.observer.OnCollectionFailed(result.status());
  }
  return true;
}

void Scheduler::Collect() { CollectIfPossible(); }

void Scheduler::WaitUntilSettled(absl::Time now,
                                 const std::function<bool()>& is_ended) {
  for (;;) {
    StartDue(now);
    do {
      if (is_ended != nullptr && is_ended()) return;
    } while (!pool_->WaitUntilIdle(kLookWhetherEnded));
    MutexLock lock(mu_);
    const bool unsettled =
        std::any_of(entries_.begin(), entries_.end(), [now](const auto& each) {
          return each.second.changed || each.second.put_off ||
                 each.second.due <= now;
        });
    if (!unsettled) return;
  }
}

std::vector<Scheduler::Standing> Scheduler::Standings() {
  MutexLock lock(mu_);
  std::vector<Standing> standings;
  for (const auto& [name, entry] : entries_) {
    standings.push_back(entry.standing);
    standings.back().dynakube = name;
  }
  return standings;
}

bool Scheduler::IsFirstAgentReady() {
  MutexLock lock(mu_);
  if (!tenants_known_) return false;
  bool is_needed = false;
  for (const auto& [name, entry] : entries_) {
    const absl::StatusOr<DesiredTenant>& desired = entry.task.desired;
    if (desired.ok() && !desired->needs_agent) continue;
    is_needed = true;
    if (entry.standing.state == TenantState::kReady) return true;
  }
  return !is_needed;
}

bool Scheduler::Stop(absl::Duration timeout) {
  pool_->Stop();
  return pool_->WaitUntilIdle(timeout);
}

}  // namespace oneagent
