// One YAML scalar as JSON. Pure, thread-safe.
#ifndef CACHE_KUBE_YAML_SCALAR_H_
#define CACHE_KUBE_YAML_SCALAR_H_

#include <string>

#include "absl/strings/string_view.h"

namespace oneagent {

// A scalar without quotes by the core schema of YAML 1.2 (10.3.2): null, true,
// false, a number in JSON's spelling, else a JSON string. What JSON cannot say
// (.inf, .nan, 1e999, an integer beyond 64 bits in octal or hex) is a string.
std::string PlainScalarJson(absl::string_view text);

// `value`, valid UTF-8, as a JSON string with its quotes.
std::string JsonString(absl::string_view value);

}  // namespace oneagent

#endif  // CACHE_KUBE_YAML_SCALAR_H_
