// The verbs of the CLI: each does its work, writes what it has to say and
// returns the exit code. An error that keeps it from its work is returned; the
// caller prints it.
#ifndef CACHE_INSPECT_VERBS_H_
#define CACHE_INSPECT_VERBS_H_

#include <memory>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "cache/index/index.h"
#include "cache/inspect/invocation.h"
#include "cache/inspect/table.h"

namespace oneagent {

inline constexpr int kExitFine = 0;
inline constexpr int kExitFinding = 1;  // or failure
inline constexpr int kExitUsage = 2;

// Where a verb writes. References are borrowed.
struct Console {
  std::ostream& out;
  std::ostream& err;
  Paint paint = Paint::kOff;
  const Clock& clock;
  // How long doctor waits before it looks a second time.
  absl::Duration second_look = absl::Milliseconds(300);
};

using VerbResult = absl::StatusOr<int>;

VerbResult RunAgents(const Invocation& it, const Console& console);
VerbResult RunVolumes(const Invocation& it, const Console& console);
VerbResult RunTenants(const Invocation& it, const Console& console);
VerbResult RunShow(const Invocation& it, const Console& console);
VerbResult RunVerify(const Invocation& it, const Console& console);
VerbResult RunDu(const Invocation& it, const Console& console);
VerbResult RunGc(const Invocation& it, const Console& console);
VerbResult RunDoctor(const Invocation& it, const Console& console);
VerbResult RunProbe(const Invocation& it, const Console& console);
VerbResult RunPublish(const Invocation& it, const Console& console);
VerbResult RunUnpublish(const Invocation& it, const Console& console);

// The index read-only; the error is one line that says what to do.
absl::StatusOr<std::unique_ptr<Index>> OpenForReading(
    const std::string& data_dir);

}  // namespace oneagent

#endif  // CACHE_INSPECT_VERBS_H_
