#include "cache/source/throttle.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace oneagent {
namespace {

constexpr char kPayload[] = "oneagent-csi/throttle-seconds";

}  // namespace

absl::Status WithThrottle(absl::Status status, absl::Duration pause) {
  status.SetPayload(kPayload, absl::Cord(absl::StrCat(absl::ToInt64Seconds(
                                  absl::Ceil(pause, absl::Seconds(1))))));
  return status;
}

std::optional<absl::Duration> ThrottleOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  int64_t seconds = 0;
  if (!payload.has_value() ||
      !absl::SimpleAtoi(std::string(*payload), &seconds)) {
    return std::nullopt;
  }
  return absl::Seconds(seconds);
}

}  // namespace oneagent
