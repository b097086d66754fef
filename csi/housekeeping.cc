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

// Says a failure once, and once that it is over.
void LogChange(const Log& log, absl::string_view chore,
               const absl::Status& status, std::string* said) {
  const std::string failure(status.ok() ? "" : status.message());
  if (failure == *said) return;
  if (failure.empty()) {
    log.Info(absl::StrCat(chore, " works again"));
  } else {
    log.Warning(absl::StrCat(chore, " failed"), {{"error", failure}});
  }
  *said = failure;
}

}  // namespace

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

Housekeeping::Housekeeping(Publisher& publisher, VolumeReconciler& reconciler,
                           VolumeCollector& collector, VolumeStats& stats,
                           VolumeGuard guard, const Log& log,
                           const Clock& clock)
    : publisher_(publisher),
      reconciler_(reconciler),
      collector_(collector),
      stats_(stats),
      guard_(std::move(guard)),
      log_(log),
      clock_(clock) {}

void Housekeeping::ReconcileOnce() {
  const absl::Time begin = clock_.Now();
  const absl::StatusOr<bool> needed = reconciler_.IsNeeded();
  if (!needed.ok() || !*needed) {
    LogChange(log_, "reconcile", needed.status(), &reconcile_failure_);
    return;
  }
  const absl::StatusOr<ReconcileResult> result = reconciler_.RunOnce(begin);
  LogChange(log_, "reconcile", result.status(), &reconcile_failure_);
  if (result.ok()) LogReconcile(log_, *result, clock_.Now() - begin);
}

void Housekeeping::FlushOnce() {
  absl::Status first_error;
  for (const std::string& id : publisher_.ListUnrecorded()) {
    absl::Status flushed;
    // A volume at work now has its turn a second later.
    guard_(id, [&] { flushed = publisher_.FlushUnrecorded(id); });
    first_error.Update(flushed);
    // Unusable for one is unusable for all.
    if (absl::IsUnavailable(flushed)) break;
  }
  LogChange(log_, "recording volumes in the index", first_error,
            &flush_failure_);
}

void Housekeeping::CollectOnce() {
  const absl::StatusOr<VolumeCollection> result =
      collector_.RunOnce(clock_.Now());
  LogChange(log_, "collection", result.status(), &collect_failure_);
  if (!result.ok() || *result == VolumeCollection()) return;
  log_.Info("volumes collected",
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
      kStatsInterval, kStatsInterval, [this] { stats_.RunOnce(); }));
}

}  // namespace oneagent
