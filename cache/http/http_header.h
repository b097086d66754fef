// Values of response headers. Pure, thread-safe; anything may be in them.
#ifndef CACHE_HTTP_HTTP_HEADER_H_
#define CACHE_HTTP_HTTP_HEADER_H_

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace oneagent {

// "bytes 100-199/1000" or, of a 416, "bytes */1000" (RFC 9110 14.4).
struct ContentRange {
  int64_t first = -1;  // -1: the range could not be satisfied
  int64_t last = -1;
  int64_t total = -1;  // -1: unknown
};
// nullopt when it is not that, or contradicts itself.
std::optional<ContentRange> ParseContentRange(absl::string_view value);

// Seconds, or an HTTP date counted from `now`; never negative. nullopt when it
// is neither.
std::optional<absl::Duration> ParseRetryAfter(absl::string_view value,
                                              absl::Time now);

// True for the Content-Type of a page that is meant for a browser.
bool IsPageType(absl::string_view value);

// `value` when it is an ETag that vouches for every byte, else "": a weak one
// (W/"...") must not stand in If-Range (RFC 9110 13.1.5).
absl::string_view StrongETag(absl::string_view value);

}  // namespace oneagent

#endif  // CACHE_HTTP_HTTP_HEADER_H_
