#include "cache/index/cause.h"

#include <array>
#include <cerrno>
#include <optional>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "base/posix_status.h"

namespace oneagent {
namespace {

constexpr char kPayload[] = "csi.oneagent.dynatrace.com/cause";

constexpr std::array kAll = {
    Cause::kNone,    Cause::kNoDynakube,  Cause::kNoAgent,   Cause::kIndex,
    Cause::kDisk,    Cause::kTarget,      Cause::kBusy,      Cause::kMount,
    Cause::kInvalid, Cause::kQueue,       Cause::kAbandoned, Cause::kShutdown,
    Cause::kDrained, Cause::kInterrupted, Cause::kOther,
};

bool IsOfTheDisk(int error) {
  return error == ENOSPC || error == EDQUOT || error == EROFS || error == EIO;
}

}  // namespace

const char* Name(Cause cause) {
  switch (cause) {
    case Cause::kNone:
      return "none";
    case Cause::kNoDynakube:
      return "no_dynakube";
    case Cause::kNoAgent:
      return "no_agent";
    case Cause::kIndex:
      return "index";
    case Cause::kDisk:
      return "disk";
    case Cause::kTarget:
      return "target";
    case Cause::kBusy:
      return "busy";
    case Cause::kMount:
      return "mount";
    case Cause::kInvalid:
      return "invalid";
    case Cause::kQueue:
      return "queue";
    case Cause::kAbandoned:
      return "abandoned";
    case Cause::kShutdown:
      return "shutdown";
    case Cause::kDrained:
      return "drained";
    case Cause::kInterrupted:
      return "interrupted";
    case Cause::kOther:
      return "other";
  }
  return "other";
}

absl::StatusOr<Cause> ParseCause(absl::string_view name) {
  if (name.empty()) return Cause::kNone;
  for (const Cause cause : kAll) {
    if (name == Name(cause)) return cause;
  }
  return absl::InvalidArgumentError(absl::StrCat("unknown cause: ", name));
}

std::vector<std::string> CauseNames() {
  std::vector<std::string> names;
  for (const Cause cause : kAll) names.emplace_back(Name(cause));
  return names;
}

absl::Status WithCause(absl::Status status, Cause cause) {
  if (status.ok() || status.GetPayload(kPayload).has_value()) return status;
  status.SetPayload(kPayload, absl::Cord(Name(cause)));
  return status;
}

Cause CauseOf(const absl::Status& status) {
  if (status.ok()) return Cause::kNone;
  if (IsOfTheDisk(ErrnoOf(status))) return Cause::kDisk;
  const auto payload = status.GetPayload(kPayload);
  if (payload.has_value()) {
    return ParseCause(std::string(*payload)).value_or(Cause::kOther);
  }
  return absl::IsInvalidArgument(status) ? Cause::kInvalid : Cause::kOther;
}

}  // namespace oneagent
