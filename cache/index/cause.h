// Why a volume waits or is empty, or a call did not do what it was asked for:
// one word of a closed set. Data, beside the text for people: a Status carries
// it as a payload, rows, records and notices as a column, metrics count by it.
// Thread-safe.
#ifndef CACHE_INDEX_CAUSE_H_
#define CACHE_INDEX_CAUSE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace oneagent {

enum class Cause {
  kNone,
  kNoDynakube,   // unknown, or deleted
  kNoAgent,      // the DynaKube has none yet, or its tree is missing
  kIndex,        // it cannot be used
  kDisk,         // full, read-only or broken
  kTarget,       // the target directory is not what it should be
  kBusy,         // somebody has files open in the volume
  kMount,        // the kernel refused
  kInvalid,      // the request itself
  kQueue,        // no turn within the deadline
  kAbandoned,    // the caller was gone before its turn
  kShutdown,     // the mounter is being restarted
  kDrained,      // the driver is being drained: nobody gets an agent
  kInterrupted,  // the mounter died while it published the volume
  kOther,
};
const char* Name(Cause cause);
// InvalidArgument for any other text. "" is kNone: rows of older programs.
absl::StatusOr<Cause> ParseCause(absl::string_view name);

// Every name, in order: the values of a metric's label.
std::vector<std::string> CauseNames();

// `status` with its cause; one that it has already is more particular and
// stays, as does OK.
absl::Status WithCause(absl::Status status, Cause cause);

// OK: kNone. A disk that is full or broken shows in the index and in
// directories alike: its errno counts before any cause that was given.
Cause CauseOf(const absl::Status& status);

}  // namespace oneagent

#endif  // CACHE_INDEX_CAUSE_H_
