// What processmoduleconfig answers: the process configuration of a tenant.
// Pure.
#ifndef CACHE_SOURCE_PROCESS_CONFIG_H_
#define CACHE_SOURCE_PROCESS_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cache/conf/process_conf.h"

namespace oneagent {

struct ProcessConfig {
  int64_t revision = 0;  // 0: always asked for anew
  std::vector<ConfProperty> properties;
  // Properties that no file can have, each with its cause, for a message; ""
  // when all are in `properties`.
  std::string left_out;

  bool operator==(const ProcessConfig&) const = default;
};

// One odd property does not cost the others: control characters in it are
// dropped, as the reference's bootstrapper does, numbers and booleans become
// text, null is no property, and what does not pass CheckConfProperty even so
// is left out. A revision that is no number of ours is 0.
//
// InvalidArgument when it is no such JSON, or not one property can be used
// (taking that for a configuration would wipe the one that is there). No value
// is in any message.
absl::StatusOr<ProcessConfig> ParseProcessConfig(absl::string_view json);

// True for an answer that says that nothing is newer: neither revision nor
// properties.
bool IsEmptyProcessConfig(absl::string_view json);

}  // namespace oneagent

#endif  // CACHE_SOURCE_PROCESS_CONFIG_H_
