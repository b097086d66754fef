// Why a publish or unpublish did not do what was asked for, as one word of a
// closed set: what metrics count by. Pure.
//
// The words are found in our own texts, because that is all that rows and
// records keep of a failure; a test makes each failure and looks for its word.
#ifndef CSI_CALL_CAUSE_H_
#define CSI_CALL_CAUSE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace oneagent {

enum class CallCause {
  kNone,
  kNoDynakube,  // unknown, or deleted
  kNoAgent,     // the DynaKube has none yet, or its tree is missing
  kIndex,       // it cannot be used
  kDisk,        // full, read-only or broken
  kTarget,      // the target directory is not what it should be
  kBusy,        // somebody has files open in the volume
  kMount,       // the kernel refused
  kInvalid,     // the request itself
  kQueue,       // no turn within the deadline
  kAbandoned,   // the caller was gone before its turn
  kShutdown,
  kDrained,  // the driver is being drained: nobody gets an agent
  kOther,
};
const char* Name(CallCause cause);

// Every name, in order: the values of a metric's label.
std::vector<std::string> CallCauseNames();

// Of the text that a row, a record or an answer has. Empty: kNone.
CallCause CauseOfText(absl::string_view text);
// OK: kNone.
CallCause CauseOf(const absl::Status& status);

}  // namespace oneagent

#endif  // CSI_CALL_CAUSE_H_
