#include "cache/provisioner/retry_delay.h"

#include <algorithm>

namespace oneagent {
namespace {

constexpr absl::Duration kReadyAgain = absl::Minutes(5);
constexpr absl::Duration kWaitingAgain = absl::Minutes(1);
constexpr absl::Duration kFirstRetry = absl::Seconds(15);
constexpr absl::Duration kFirstNetworkRetry = absl::Seconds(1);
constexpr absl::Duration kLongestRetry = absl::Minutes(5);

absl::Duration Doubled(absl::Duration first, int failures) {
  absl::Duration delay = first;
  for (int i = 1; i < failures && delay < kLongestRetry; ++i) delay *= 2;
  return std::min(delay, kLongestRetry);
}

}  // namespace

bool MayPass(const ReconcileReport& report) {
  return report.code == absl::StatusCode::kUnavailable ||
         report.code == absl::StatusCode::kDeadlineExceeded;
}

bool IsFailure(const ReconcileReport& report) {
  return report.row.state == TenantState::kFailed || MayPass(report);
}

absl::Duration DelayAfter(const ReconcileReport& report, const TenantTask& task,
                          int failures, absl::BitGen& random) {
  if (report.row.state == TenantState::kReady) {
    // A DynaKube may ask for longer pauses: each look asks the tenant's API.
    return task.desired.ok() ? std::max(kReadyAgain, task.desired->api_pause)
                             : kReadyAgain;
  }
  if (!IsFailure(report)) return kWaitingAgain;
  if (!MayPass(report)) return Doubled(kFirstRetry, failures);
  // With jitter: the nodes of a cluster do not come back all at once.
  const absl::Duration delay =
      Doubled(kFirstNetworkRetry, failures) * absl::Uniform(random, 0.5, 1.0);
  return std::max(delay, report.pause);
}

}  // namespace oneagent
