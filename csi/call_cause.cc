#include "csi/call_cause.h"

#include <array>

#include "absl/strings/match.h"

namespace oneagent {
namespace {

constexpr std::array kAll = {
    CallCause::kNone,    CallCause::kNoDynakube, CallCause::kNoAgent,
    CallCause::kIndex,   CallCause::kDisk,       CallCause::kTarget,
    CallCause::kBusy,    CallCause::kMount,      CallCause::kInvalid,
    CallCause::kQueue,   CallCause::kAbandoned,  CallCause::kShutdown,
    CallCause::kDrained, CallCause::kOther,
};

struct Sign {
  absl::string_view part;
  CallCause cause;
};

// The first that occurs counts: what is most particular comes first. A full
// disk shows in the index and in directories alike.
constexpr Sign kSigns[] = {
    {"driver is being drained", CallCause::kDrained},
    {"No space left on device", CallCause::kDisk},
    {"Disk quota exceeded", CallCause::kDisk},
    {"Read-only file system", CallCause::kDisk},
    {"Input/output error", CallCause::kDisk},
    {"disk is full", CallCause::kDisk},  // SQLite
    {"disk I/O error", CallCause::kDisk},
    {"failed to extract tenant", CallCause::kIndex},
    {"/index.db", CallCause::kIndex},
    {"/index.lock", CallCause::kIndex},
    {"something is mounted there", CallCause::kTarget},
    {"target path ", CallCause::kTarget},
    {": not empty, holds ", CallCause::kTarget},
    {": is a symbolic link", CallCause::kTarget},
    {": is not a directory", CallCause::kTarget},
    {": its directory cannot be opened", CallCause::kTarget},
    {"volume is published at ", CallCause::kTarget},
    {"Device or resource busy", CallCause::kBusy},
    {"failed to mount ", CallCause::kMount},
    {"umount", CallCause::kMount},
    {"no turn within the deadline", CallCause::kQueue},
    {"caller is gone", CallCause::kAbandoned},
    {"mounter is shutting down", CallCause::kShutdown},
};

}  // namespace

const char* Name(CallCause cause) {
  switch (cause) {
    case CallCause::kNone:
      return "none";
    case CallCause::kNoDynakube:
      return "no_dynakube";
    case CallCause::kNoAgent:
      return "no_agent";
    case CallCause::kIndex:
      return "index";
    case CallCause::kDisk:
      return "disk";
    case CallCause::kTarget:
      return "target";
    case CallCause::kBusy:
      return "busy";
    case CallCause::kMount:
      return "mount";
    case CallCause::kInvalid:
      return "invalid";
    case CallCause::kQueue:
      return "queue";
    case CallCause::kAbandoned:
      return "abandoned";
    case CallCause::kShutdown:
      return "shutdown";
    case CallCause::kDrained:
      return "drained";
    case CallCause::kOther:
      return "other";
  }
  return "other";
}

std::vector<std::string> CallCauseNames() {
  std::vector<std::string> names;
  for (const CallCause cause : kAll) names.emplace_back(Name(cause));
  return names;
}

CallCause CauseOfText(absl::string_view text) {
  if (text.empty()) return CallCause::kNone;
  // What follows may quote anything that the provisioner met.
  if (absl::StartsWith(text, "version or digest is not yet set")) {
    return absl::EndsWith(text, ": no such DynaKube") ||
                   absl::EndsWith(text, ": no such DynaKube any more")
               ? CallCause::kNoDynakube
               : CallCause::kNoAgent;
  }
  for (const Sign& sign : kSigns) {
    if (absl::StrContains(text, sign.part)) return sign.cause;
  }
  return CallCause::kOther;
}

CallCause CauseOf(const absl::Status& status) {
  if (status.ok()) return CallCause::kNone;
  if (absl::IsInvalidArgument(status)) return CallCause::kInvalid;
  return CauseOfText(status.message());
}

}  // namespace oneagent
