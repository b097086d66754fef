#include "csi/housekeeping.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/duration.h"

namespace oneagent {
namespace {

constexpr absl::Duration kReconcileInterval = absl::Seconds(1);
// What a start finds is taken away soon, but after the first calls.
constexpr absl::Duration kFirstCollection = absl::Seconds(2);
constexpr absl::Duration kCollectInterval = absl::Seconds(30);
constexpr absl::Duration kFlushInterval = absl::Seconds(1);
constexpr absl::Duration kStatsInterval = absl::Seconds(10);

struct ChoreMessages {
  LogMessage failed;
  LogMessage works_again;
};
constexpr ChoreMessages kReconcile = {"reconcile failed",
                                      "reconcile works again"};
constexpr ChoreMessages kRecording = {
    "recording volumes in the index failed",
    "recording volumes in the index works again"};
constexpr ChoreMessages kCollection = {"collection failed",
                                       "collection works again"};

// Says a failure once, and once that it is over.
void LogChange(const Log& log, const ChoreMessages& messages,
               const absl::Status& status, std::string* said) {
  const std::string failure(status.ok() ? "" : status.message());
  if (failure == *said) return;
  if (failure.empty()) {
    log.Info(messages.works_again);
  } else {
    log.Warning(messages.failed, {{"error", failure}});
  }
  *said = failure;
}

// The line that a reconcile leaves.
void LogReconcile(const Log& log, const ReconcileResult& result,
                  absl::Duration duration) {
  log.Info("volumes reconciled",
           {{"mounted", absl::StrCat(result.mounted)},
            {"recovered", absl::StrCat(result.recovered)},
            {"waiting", absl::StrCat(result.waiting)},
            {"empty", absl::StrCat(result.empty)},
            {"rolled_back", absl::StrCat(result.rolled_back)},
            {"unknown", absl::StrCat(result.unknown)},
            {"duration", FormatGoDuration(duration)}});
}

}  // namespace

void LogVolumeChange(const Log& log, const std::string& volume_id,
                     VolumeChange change) {
  const LogFields fields = {{"volume", volume_id}};
  switch (change) {
    case VolumeChange::kRecovered:
      return log.Warning("volume recovered from the mount table", fields);
    case VolumeChange::kRolledBack:
      return log.Info("volume rolled back", fields);
    case VolumeChange::kUnknown:
      return log.Warning("volume cannot be looked at", fields);
    case VolumeChange::kRecorded:
      return log.Info("volume recorded late", fields);
    case VolumeChange::kCollected:
      return log.Info("volume collected", fields);
  }
}

Housekeeping::Housekeeping(Parts parts) : parts_(std::move(parts)) {}

absl::StatusOr<ReconcileResult> Housekeeping::Reconcile(
    VolumeReconciler& reconciler) {
  const absl::Time begin = parts_.clock.Now();
  const absl::StatusOr<ReconcileResult> result = reconciler.RunOnce();
  const absl::Duration duration = parts_.clock.Now() - begin;
  for (ChoreObserver* const observer : parts_.observers) {
    observer->OnReconciled(result, duration);
  }
  if (result.ok()) LogReconcile(parts_.log, *result, duration);
  return result;
}

void Housekeeping::ReconcileAtStart(VolumeReconciler& unguarded) {
  const absl::Status status = Reconcile(unguarded).status();
  LogChange(parts_.log, kReconcile, status, &reconcile_failure_);
  if (!status.ok()) return;
  // It has just been used.
  for (ChoreObserver* const observer : parts_.observers) {
    observer->OnIndex(status);
  }
}

void Housekeeping::ReconcileOnce() {
  const absl::StatusOr<bool> needed = parts_.reconciler.IsNeeded();
  for (ChoreObserver* const observer : parts_.observers) {
    observer->OnIndex(needed.status());
  }
  absl::Status status = needed.status();
  if (needed.ok() && *needed) {
    status = Reconcile(parts_.reconciler).status();
  }
  LogChange(parts_.log, kReconcile, status, &reconcile_failure_);
}

void Housekeeping::FlushOnce() {
  absl::Status first_error;
  for (const std::string& id : parts_.book.ListUnrecorded()) {
    absl::Status flushed;
    // A volume at work now has its turn a second later.
    const bool had_turn =
        parts_.guard(id, [&] { flushed = parts_.book.Flush(id); });
    if (had_turn && flushed.ok()) {
      LogVolumeChange(parts_.log, id, VolumeChange::kRecorded);
    }
    first_error.Update(flushed);
    // Unusable for one is unusable for all.
    if (absl::IsUnavailable(flushed)) break;
  }
  LogChange(parts_.log, kRecording, first_error, &flush_failure_);
}

void Housekeeping::CollectOnce() {
  const absl::StatusOr<VolumeCollection> result =
      parts_.collector.RunOnce(parts_.clock.Now());
  for (ChoreObserver* const observer : parts_.observers) {
    observer->OnCollected(result);
  }
  LogChange(parts_.log, kCollection, result.status(), &collect_failure_);
  if (!result.ok()) return;
  if (result->volumes + result->host_storages + result->trees == 0) return;
  parts_.log.Info("volumes collected",
                  {{"volumes", absl::StrCat(result->volumes)},
                   {"host_storages", absl::StrCat(result->host_storages)},
                   {"trees", absl::StrCat(result->trees)},
                   {"bytes", absl::StrCat(result->bytes)}});
}

void Housekeeping::Start() {
  tasks_.push_back(std::make_unique<PeriodicTask>(
      kReconcileInterval, kReconcileInterval, [this] { ReconcileOnce(); }));
  tasks_.push_back(std::make_unique<PeriodicTask>(
      kFlushInterval, kFlushInterval, [this] { FlushOnce(); }));
  tasks_.push_back(std::make_unique<PeriodicTask>(
      kFirstCollection, kCollectInterval, [this] { CollectOnce(); }));
  tasks_.push_back(std::make_unique<PeriodicTask>(
      kStatsInterval, kStatsInterval, [this] { parts_.stats.RunOnce(); }));
}

}  // namespace oneagent
