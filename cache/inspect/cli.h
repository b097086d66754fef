// oneagent-csi as a function: a command line in, text and an exit code out.
#ifndef CACHE_INSPECT_CLI_H_
#define CACHE_INSPECT_CLI_H_

#include "absl/strings/string_view.h"
#include "cache/inspect/verbs.h"

namespace oneagent {

// `default_data_dir`: used without --data-dir. Results go to console.out,
// errors to console.err, each in one line; those of probe, publish and
// unpublish as "CODE: message". Returns one of the kExit codes.
int RunCli(absl::string_view default_data_dir, int argc, char* const* argv,
           const Console& console);

}  // namespace oneagent

#endif  // CACHE_INSPECT_CLI_H_
