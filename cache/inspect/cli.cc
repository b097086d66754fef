#include "cache/inspect/cli.h"

#include <limits.h>
#include <unistd.h>

#include <cerrno>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/posix_status.h"

namespace oneagent {
namespace {

struct Verb {
  const char* name;
  VerbResult (*run)(const Invocation&, const Console&);
  bool speaks_csi;  // errors are shown with their code
};

constexpr Verb kVerbs[] = {{"agents", RunAgents, false},
                           {"volumes", RunVolumes, false},
                           {"tenants", RunTenants, false},
                           {"show", RunShow, false},
                           {"verify", RunVerify, false},
                           {"du", RunDu, false},
                           {"gc", RunGc, false},
                           {"doctor", RunDoctor, false},
                           {"probe", RunProbe, true},
                           {"publish", RunPublish, true},
                           {"unpublish", RunUnpublish, true}};

std::string WorkingDirectory() {
  char buffer[PATH_MAX];
  return getcwd(buffer, sizeof(buffer)) == nullptr ? "" : buffer;
}

int RunVerb(const Verb& verb, const Invocation& it, const Console& console) {
  const VerbResult result = verb.run(it, console);
  if (result.ok()) return *result;
  const std::string message = TerminalText(result.status().message());
  if (verb.speaks_csi) {
    console.err << absl::StatusCodeToString(result.status().code()) << ": "
                << message << "\n";
  } else {
    console.err << "oneagent-csi " << verb.name << ": " << message << "\n";
  }
  return kExitFinding;
}

}  // namespace

namespace {

// Whether all of it has been written.
absl::Status Flush(std::ostream& out) {
  errno = 0;
  if (out.flush().good()) return absl::OkStatus();
  if (errno != 0) return PosixStatus("standard output", errno);
  // It failed before, and nobody knows with which errno any more.
  return absl::InternalError("standard output: cannot be written");
}

int Run(absl::string_view default_data_dir, int argc, char* const* argv,
        const Console& console) {
  const absl::StatusOr<Invocation> it =
      ParseInvocation(default_data_dir, WorkingDirectory(), argc, argv);
  if (!it.ok()) {
    console.err << "oneagent-csi: " << TerminalText(it.status().message())
                << " (see oneagent-csi --help)\n";
    return kExitUsage;
  }
  if (it->help) {
    console.out << HelpText(it->verb);
    return kExitFine;
  }
  if (it->version) {
    console.out << "oneagent-csi " << ONEAGENT_VERSION << "\n";
    return kExitFine;
  }
  for (const Verb& verb : kVerbs) {
    if (it->verb == verb.name) return RunVerb(verb, *it, console);
  }
  console.err << "oneagent-csi: " << it->verb << ": unknown verb\n";
  return kExitUsage;
}

}  // namespace

int RunCli(absl::string_view default_data_dir, int argc, char* const* argv,
           const Console& console) {
  const int code = Run(default_data_dir, argc, argv, console);
  const absl::Status written = Flush(console.out);
  if (written.ok()) return code;
  // A script that reads half of it must not take it for the whole.
  console.err << "oneagent-csi: " << written.message() << "\n";
  return code == kExitFine ? kExitFinding : code;
}

}  // namespace oneagent
