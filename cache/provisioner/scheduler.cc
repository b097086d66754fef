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

namespace oneagent {
namespace {

// More than installs at once (AgentInstaller::kMostAtOnce): while those wait
// for their downloads, DynaKubes that need none go on.
constexpr int kThreads = 4;
constexpr absl::Duration kListAtLeast = absl::Minutes(1);
constexpr absl::Duration kCollectAtLeast = absl::Minutes(1);
constexpr absl::Duration kReadyAgain = absl::Minutes(5);
constexpr absl::Duration kWaitingAgain = absl::Minutes(1);
constexpr absl::Duration kFirstRetry = absl::Seconds(15);
constexpr absl::Duration kLookWhetherEnded = absl::Milliseconds(100);
constexpr absl::Duration kLongestRetry = absl::Minutes(5);

absl::Duration RetryDelay(int failures) {
  absl::Duration delay = kFirstRetry;
  for (int i = 1; i < failures && delay < kLongestRetry; ++i) delay *= 2;
  return std::min(delay, kLongestRetry);
}

// A DynaKube may ask for longer pauses: each look asks the tenant's API.
absl::Duration ReadyDelay(const TenantTask& task) {
  return task.desired.ok() ? std::max(kReadyAgain, task.desired->api_pause)
                           : kReadyAgain;
}

}  // namespace

Scheduler::Scheduler(const Parts& parts)
    : parts_(parts),
      errors_(parts.observer),
      waiting_volumes_(parts.index, parts.observer),
      pool_(std::make_unique<WorkerPool>(kThreads)) {}

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
  const absl::StatusOr<bool> missing =
      RowsAreMissing(parts_.store.layout(), parts_.index);
  errors_.Report(Chore::kFindLostRows, missing.status());
  if (!missing.ok()) return;
  if (*missing) errors_.Report(Chore::kRecover, Recover());
  index_changed_ = false;
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

// For whoever looks at the index: why what it says of tenants may be old.
absl::Status Scheduler::RememberTrouble() {
  if (list_status_.ok() && !trouble_is_stored_) return absl::OkStatus();
  RETURN_IF_ERROR(parts_.index.SetSourceTrouble(list_status_.message()));
  trouble_is_stored_ = !list_status_.ok();
  return absl::OkStatus();
}

void Scheduler::List(absl::Time now) {
  list_soon_ = false;
  next_list_ = now + kListAtLeast;
  absl::StatusOr<ClusterState> state = parts_.source.List();
  list_status_ = state.status();
  errors_.Report(Chore::kListDynaKubes, list_status_);
  parts_.observer.OnListed(list_status_);
  errors_.Report(Chore::kLookAtIndex, RememberTrouble());
  if (!state.ok()) {
    MutexLock lock(mu_);
    tenants_known_ = false;
    return;
  }
  ReportProblems(state->problems);
  state_ = *std::move(state);
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
  std::map<std::string, TenantTask> tasks;
  for (const SourceProblem& problem : state_.problems) {
    if (problem.dynakube.empty()) continue;
    tasks.insert_or_assign(
        problem.dynakube,
        TenantTask{.dynakube = problem.dynakube,
                   .namespace_name = "",
                   .identity = {},
                   .max_attempts = 0,
                   .desired = absl::InvalidArgumentError(
                       absl::StrCat(problem.object, ": ", problem.cause))});
  }
  for (const v1::DynaKube& dynakube : state_.dynakubes) {
    const v1::ObjectMeta& meta = dynakube.metadata();
    tasks.insert_or_assign(
        meta.name(),
        TenantTask{.dynakube = meta.name(),
                   .namespace_name = meta.namespace_(),
                   .identity = {.uid = meta.uid(),
                                .api_version = dynakube.api_version()},
                   .max_attempts = MaxMountAttempts(dynakube),
                   .desired = DesiredTenantOf(dynakube, state_)});
  }
  MutexLock lock(mu_);
  for (auto& [name, task] : tasks) {
    const auto found = entries_.find(name);
    if (found == entries_.end()) {
      entries_.emplace(name, Entry(std::move(task)));
    } else if (!(found->second.task == task)) {
      found->second.task = std::move(task);
      found->second.changed = true;
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

void Scheduler::StartDue(absl::Time now) {
  MutexLock lock(mu_);
  for (auto& [name, entry] : entries_) {
    const bool is_due = entry.due <= now || entry.started > now;
    if (entry.running || !(entry.changed || is_due)) continue;
    entry.running = true;
    entry.changed = false;
    entry.put_off = false;
    entry.started = now;
    pool_->Submit([this, task = entry.task] {
      Finished(parts_.reconciler.Reconcile(task));
      // What this one was waited for with can go on.
      parts_.source.Interrupt();
    });
  }
}

void Scheduler::Finished(const ReconcileReport& report) {
  MutexLock lock(mu_);
  const auto found = entries_.find(report.row.dynakube);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  const absl::Time ended = entry.started + report.duration;
  entry.running = false;
  entry.standing = {.dynakube = report.row.dynakube,
                    .state = report.row.state,
                    .reason = report.row.reason};
  const bool others_run = IsAnyRunning();
  if (report.cancelled) {
    entry.standing.state = TenantState::kFailed;
    entry.standing.reason = "ended by shutdown";
    entry.due = absl::InfiniteFuture();
    return;
  }
  if (report.pending) {
    // Whom it waits for may be done by now: then nobody would wake it.
    entry.put_off = others_run;
    entry.due = others_run ? ended + kWaitingAgain : absl::InfinitePast();
    return;
  }
  const bool failed = report.row.state == TenantState::kFailed;
  entry.failures = failed ? entry.failures + 1 : 0;
  entry.due = ended + (failed ? RetryDelay(entry.failures)
                       : report.row.state == TenantState::kReady
                           ? ReadyDelay(entry.task)
                           : kWaitingAgain);
  for (auto& [name, each] : entries_) {
    if (!each.put_off) continue;
    each.put_off = false;
    each.due = absl::InfinitePast();
  }
  round_done_ = true;
  volumes_may_go_ = true;
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
