#include "csi/fail_open.h"

namespace oneagent {
namespace {

bool Reached(int32_t attempts, int32_t limit) {
  return limit > 0 && attempts >= limit;
}

}  // namespace

bool ShouldFailOpen(const FailureHistory& history, const FailOpenLimits& limits,
                    absl::Duration uptime) {
  // A row of an older program has no time by this clock: it counts from now.
  const absl::Duration waited = history.first_failure == absl::ZeroDuration()
                                    ? absl::ZeroDuration()
                                    : uptime - history.first_failure;
  return waited >= limits.retry_timeout ||
         Reached(history.attempts, limits.node_attempts) ||
         Reached(history.attempts, limits.dynakube_attempts);
}

}  // namespace oneagent
