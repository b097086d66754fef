#include "csi/fail_open.h"

namespace oneagent {
namespace {

bool Reached(int32_t attempts, int32_t limit) {
  return limit > 0 && attempts >= limit;
}

}  // namespace

bool ShouldFailOpen(const FailureHistory& history, const FailOpenLimits& limits,
                    absl::Time now) {
  return now - history.first_failure_at >= limits.retry_timeout ||
         Reached(history.attempts, limits.node_attempts) ||
         Reached(history.attempts, limits.dynakube_attempts);
}

}  // namespace oneagent
