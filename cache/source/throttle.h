// A server's wish to be left alone for a while, carried by the Status of the
// call that it refused. Pure, thread-safe.
#ifndef CACHE_SOURCE_THROTTLE_H_
#define CACHE_SOURCE_THROTTLE_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace oneagent {

// `status`, not OK, with that wish; zero when the server named no time.
absl::Status WithThrottle(absl::Status status, absl::Duration pause);

// nullopt: nobody throttles.
std::optional<absl::Duration> ThrottleOf(const absl::Status& status);

}  // namespace oneagent

#endif  // CACHE_SOURCE_THROTTLE_H_
