#include "csi/fail_open.h"

#include <algorithm>

namespace oneagent {
namespace {

bool Reached(int32_t attempts, int32_t limit) {
  return limit > 0 && attempts >= limit;
}

}  // namespace

bool ShouldFailOpen(const FailureHistory& history, const FailOpenLimits& limits,
                    absl::Time now) {
  // A first failure yet to come: the clock was set back. It counts as now.
  const absl::Duration waited =
      std::max(now - history.first_failure_at, absl::ZeroDuration());
  return waited >= limits.retry_timeout ||
         Reached(history.attempts, limits.node_attempts) ||
         Reached(history.attempts, limits.dynakube_attempts);
}

}  // namespace oneagent
