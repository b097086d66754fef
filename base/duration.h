// Durations as Go writes them ("10m", "1h2m3.5s"), because that is what
// DynaKube annotations and volume attributes carry. Pure, thread-safe.
#ifndef BASE_DURATION_H_
#define BASE_DURATION_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace oneagent {

// Parses Go's time.ParseDuration syntax, units ns us µs ms s m h.
// InvalidArgument for anything else, for negative values and for values that
// do not fit 292 years.
absl::StatusOr<absl::Duration> ParseGoDuration(absl::string_view text);

// "10m0s", "1.5s", "0s".
std::string FormatGoDuration(absl::Duration duration);

}  // namespace oneagent

#endif  // BASE_DURATION_H_
