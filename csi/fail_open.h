// When a pod that cannot have its agent is started without one. Pure.
#ifndef CSI_FAIL_OPEN_H_
#define CSI_FAIL_OPEN_H_

#include <cstdint>

#include "absl/time/time.h"

namespace oneagent {

struct FailureHistory {
  absl::Time first_failure_at;  // of this series, the failed attempt included
  int32_t attempts = 0;         // failed ones, this one included
};

struct FailOpenLimits {
  absl::Duration retry_timeout;
  int32_t node_attempts = 0;      // --max-mount-attempts; 0: no limit
  int32_t dynakube_attempts = 0;  // the DynaKube's annotation; 0: no limit
};

// True when `retry_timeout` has passed since the first failure (0s: at once),
// or when the attempts have reached one of the limits. A first failure that is
// later than `now` (the clock was set back) counts as one of now.
bool ShouldFailOpen(const FailureHistory& history, const FailOpenLimits& limits,
                    absl::Time now);

}  // namespace oneagent

#endif  // CSI_FAIL_OPEN_H_
