// When a volume that keeps failing is published empty, so that its pod starts
// without an agent instead of never. Pure.
#ifndef CSI_FAIL_OPEN_H_
#define CSI_FAIL_OPEN_H_

#include <cstdint>

#include "absl/time/time.h"

namespace oneagent {

struct FailureHistory {
  absl::Duration first_failure = {};  // uptime; zero: none
  int32_t attempts = 0;               // with the one that has just failed
};

struct FailOpenLimits {
  absl::Duration retry_timeout = absl::InfiniteDuration();
  // 0: no limit.
  int32_t node_attempts = 0;
  int32_t dynakube_attempts = 0;
};

bool ShouldFailOpen(const FailureHistory& history, const FailOpenLimits& limits,
                    absl::Duration uptime);

}  // namespace oneagent

#endif  // CSI_FAIL_OPEN_H_
