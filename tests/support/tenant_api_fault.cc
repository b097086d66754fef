#include <string>
#include <utility>

#include "tests/support/tenant_api.h"

namespace oneagent {

Fault Fault::Status(int status, std::string retry_after, int times) {
  return {.kind = Kind::kStatus,
          .times = times,
          .status = status,
          .retry_after = std::move(retry_after)};
}
Fault Fault::Cut(int64_t after_bytes, int times) {
  return {.kind = Kind::kCut, .times = times, .after_bytes = after_bytes};
}
Fault Fault::Stall(int64_t after_bytes, int times) {
  return {.kind = Kind::kStall, .times = times, .after_bytes = after_bytes};
}
Fault Fault::WrongLength(int64_t surplus, int times) {
  return {.kind = Kind::kWrongLength, .times = times, .after_bytes = surplus};
}
Fault Fault::Body(std::string body, int status, int times) {
  return {.kind = Kind::kBody,
          .times = times,
          .status = status,
          .body = std::move(body)};
}
Fault Fault::IgnoreRange(int times) {
  return {.kind = Kind::kIgnoreRange, .times = times};
}
Fault Fault::IgnoreIfRange(int times) {
  return {.kind = Kind::kIgnoreIfRange, .times = times};
}
Fault Fault::WrongRange(int times) {
  return {.kind = Kind::kWrongRange, .times = times};
}
Fault Fault::Redirect(std::string location, int times) {
  return {
      .kind = Kind::kRedirect, .times = times, .location = std::move(location)};
}
Fault Fault::HugeHeader(int64_t bytes, int times) {
  return {.kind = Kind::kHugeHeader, .times = times, .after_bytes = bytes};
}
Fault Fault::NoLength(int times) {
  return {.kind = Kind::kNoLength, .times = times};
}

}  // namespace oneagent
