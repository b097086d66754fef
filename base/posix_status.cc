#include "base/posix_status.h"

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace oneagent {
namespace {

constexpr char kErrno[] = "errno";

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case ENOENT:
      return absl::StatusCode::kNotFound;
    case EEXIST:
    case ENOTEMPTY:
      return absl::StatusCode::kAlreadyExists;
    case EACCES:
    case EPERM:
      return absl::StatusCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::StatusCode::kResourceExhausted;
    case EBUSY:
    case EAGAIN:
    case EINTR:
      return absl::StatusCode::kUnavailable;
    case ENOSYS:
    case EOPNOTSUPP:
      return absl::StatusCode::kUnimplemented;
    default:
      return absl::StatusCode::kInternal;
  }
}

absl::Status Rebuilt(const absl::Status& status, absl::StatusCode code,
                     absl::string_view message) {
  absl::Status result(code, message);
  status.ForEachPayload(
      [&result](absl::string_view url, const absl::Cord& payload) {
        result.SetPayload(url, payload);
      });
  return result;
}

}  // namespace

absl::Status PosixStatus(absl::string_view object, int error) {
  // The text comes from Abseil's thread-safe strerror.
  const std::string text(absl::ErrnoToStatus(error, "").message());
  const absl::string_view cause = absl::string_view(text).substr(
      text.rfind(": ") == std::string::npos ? 0 : text.rfind(": ") + 2);
  absl::Status status(CodeOf(error), absl::StrCat(object, ": ", cause));
  return WithErrno(std::move(status), error);
}

absl::Status WithErrno(absl::Status status, int error) {
  if (!status.ok()) status.SetPayload(kErrno, absl::Cord(absl::StrCat(error)));
  return status;
}

int ErrnoOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kErrno);
  int error = 0;
  if (!payload.has_value() ||
      !absl::SimpleAtoi(std::string(*payload), &error)) {
    return 0;
  }
  return error;
}

absl::Status Annotate(const absl::Status& status, absl::string_view object) {
  if (status.ok()) return status;
  return Rebuilt(status, status.code(),
                 absl::StrCat(object, ": ", status.message()));
}

absl::Status WithCode(const absl::Status& status, absl::StatusCode code) {
  if (status.ok()) return status;
  return Rebuilt(status, code, status.message());
}

absl::Status WithMessage(const absl::Status& status,
                         absl::string_view message) {
  if (status.ok()) return status;
  return Rebuilt(status, status.code(), message);
}

}  // namespace oneagent
