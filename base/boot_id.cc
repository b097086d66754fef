#include "base/boot_id.h"

#include <string>

#include "absl/strings/ascii.h"
#include "base/durable_file.h"
#include "base/status_macros.h"

namespace oneagent {

absl::StatusOr<std::string> ReadBootId() {
  ASSIGN_OR_RETURN(std::string text,
                   ReadWholeFile("/proc/sys/kernel/random/boot_id"));
  absl::StripAsciiWhitespace(&text);
  return text;
}

}  // namespace oneagent
