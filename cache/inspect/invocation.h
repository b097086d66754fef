// The command line as a value: which verb, which flags, and whether they go
// together. Pure.
//
// All flags of all verbs are parsed at once, so that they may stand before or
// after the verb; then those that the verb does not have are refused.
#ifndef CACHE_INSPECT_INVOCATION_H_
#define CACHE_INSPECT_INVOCATION_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace oneagent {

enum class Output { kTable, kJson };

// Flags of publish, as the attributes and fields that kubelet would send.
struct PublishFlags {
  std::string volume_id;
  std::string target;
  std::string pod;
  std::string namespace_name;
  std::string pod_uid;
  std::string dynakube;
  std::string mode;
  std::string retry_timeout;
  bool read_only = false;
  std::map<std::string, std::string> attributes;  // --attribute, any others
};

struct Invocation {
  std::string verb;
  std::vector<std::string> words;  // after the verb
  bool help = false;
  bool version = false;

  std::string data_dir;
  Output output = Output::kTable;
  std::string socket_path = "/csi/csi.sock";  // of --endpoint
  absl::Duration timeout = absl::Minutes(2);  // kubelet's for CSI calls
  PublishFlags publish;

  bool dry_run = false;
  bool now = false;
  absl::Duration grace_period = absl::Minutes(5);
  int64_t keep_versions = 1;
  int64_t min_free_percent = 10;
};

// What the program can do, in the order of its help.
struct VerbInfo {
  std::string name;
  std::string arguments = "";  // "[ID]"
  std::string summary;
  std::string details = "";  // may be empty
  std::string examples;
  std::vector<std::string> flags = {};  // beside the global ones
  size_t min_words = 0;
  size_t max_words = 0;
};
std::vector<VerbInfo> VerbInfos();

// `default_data_dir`: used without --data-dir. A relative data directory is
// made absolute by `working_dir`. InvalidArgument, one line, for wrong usage;
// never for a command line that asks for help.
absl::StatusOr<Invocation> ParseInvocation(absl::string_view default_data_dir,
                                           absl::string_view working_dir,
                                           int argc, char* const* argv);

// Path of a socket from "unix:///p", "unix:/p" or "/p". InvalidArgument for
// anything else, and for what does not fit a socket address (107 bytes).
absl::StatusOr<std::string> SocketPath(absl::string_view endpoint);

// --help of the program, and of one verb ("" or unknown: of the program).
std::string HelpText(absl::string_view verb);

}  // namespace oneagent

#endif  // CACHE_INSPECT_INVOCATION_H_
