#include "cache/inspect/invocation.h"

#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/flags.h"
#include "base/status_macros.h"

namespace oneagent {
namespace {

constexpr int kGlobalFlags = 4;  // the first ones of AllFlags

absl::Status SetOutput(absl::string_view value, Output* output) {
  if (value == "table") {
    *output = Output::kTable;
  } else if (value == "json") {
    *output = Output::kJson;
  } else {
    return absl::InvalidArgumentError("not table or json");
  }
  return absl::OkStatus();
}

absl::Status AddAttribute(absl::string_view value,
                          std::map<std::string, std::string>* attributes) {
  const size_t equals = value.find('=');
  if (equals == absl::string_view::npos || equals == 0) {
    return absl::InvalidArgumentError("not KEY=VALUE");
  }
  (*attributes)[std::string(value.substr(0, equals))] =
      std::string(value.substr(equals + 1));
  return absl::OkStatus();
}

void AddPublishFlags(PublishFlags* publish, std::vector<Flag>* flags) {
  flags->push_back(StringFlag("volume-id", "ID", "the volume, any name",
                              &publish->volume_id));
  flags->push_back(StringFlag("target", "PATH",
                              "where it appears: <kubelet>/pods/<uid>/…",
                              &publish->target));
  flags->push_back(StringFlag("pod", "NAME", "the pod's name", &publish->pod));
  flags->push_back(StringFlag("namespace", "NAME", "the pod's namespace",
                              &publish->namespace_name));
  flags->push_back(
      StringFlag("pod-uid", "UID", "the pod's uid", &publish->pod_uid));
  flags->push_back(StringFlag("dynakube", "NAME", "whose agent it gets",
                              &publish->dynakube));
  flags->push_back(
      StringFlag("mode", "MODE", "app (default) or host", &publish->mode));
  flags->push_back(SwitchFlag("read-only", "publish without a writable layer",
                              &publish->read_only));
  flags->push_back(StringFlag("retry-timeout", "DURATION",
                              "publish an empty volume after this long",
                              &publish->retry_timeout));
  flags->push_back({"attribute", "KEY=VALUE",
                    "one more volume attribute (repeatable)",
                    [publish](absl::string_view value) {
                      return AddAttribute(value, &publish->attributes);
                    }});
}

// Every flag there is, filling `it`; the global ones first.
std::vector<Flag> AllFlags(Invocation* it) {
  std::vector<Flag> flags;
  flags.push_back(StringFlag(
      "data-dir", "DIR",
      "where the cache lives (else $ONEAGENT_CSI_DATA_DIR, else /data)",
      &it->data_dir));
  flags.push_back(
      {"output", "FORMAT", "table (default) or json",
       [it](absl::string_view value) { return SetOutput(value, &it->output); },
       'o'});
  flags.push_back(SwitchFlag("help", "this text", &it->help));
  flags.back().short_name = 'h';
  flags.push_back(SwitchFlag("version", "print the version", &it->version));
  flags.push_back(ParsedFlag("endpoint", "ENDPOINT",
                             "the mounter's socket (unix:///csi/csi.sock)",
                             &SocketPath, &it->socket_path));
  flags.push_back(DurationFlag("timeout", "how long to wait for an answer (2m)",
                               &it->timeout));
  flags.push_back(
      SwitchFlag("dry-run", "say what would be removed", &it->dry_run));
  flags.push_back(SwitchFlag("now", "remove it", &it->now));
  flags.push_back(DurationFlag("grace-period",
                               "spare what was used this recently (5m)",
                               &it->grace_period));
  flags.push_back(IntFlag("keep-versions", "N",
                          "unused agents to keep, newest first (1)",
                          &it->keep_versions, /*least=*/0, /*most=*/1000));
  flags.push_back(IntFlag("min-free", "PERCENT",
                          "free disk space to insist on (10)",
                          &it->min_free_percent, /*least=*/0, /*most=*/100));
  AddPublishFlags(&it->publish, &flags);
  return flags;
}

// Notes the name of every flag that was given.
std::vector<Flag> Recording(std::vector<Flag> flags,
                            std::set<std::string>* given) {
  for (Flag& flag : flags) {
    auto set = std::move(flag.set);
    flag.set = [set, name = flag.name, given](absl::string_view value) {
      given->insert(name);
      return set(value);
    };
  }
  return flags;
}

std::vector<Flag> FlagsOf(const VerbInfo& verb) {
  Invocation ignored;
  std::vector<Flag> flags;
  for (Flag& flag : AllFlags(&ignored)) {
    if (std::count(verb.flags.begin(), verb.flags.end(), flag.name) > 0) {
      flags.push_back(std::move(flag));
    }
  }
  return flags;
}

std::vector<Flag> GlobalFlags() {
  Invocation ignored;
  std::vector<Flag> flags = AllFlags(&ignored);
  flags.resize(kGlobalFlags);
  return flags;
}

const VerbInfo* FindVerb(const std::vector<VerbInfo>& verbs,
                         absl::string_view name) {
  for (const VerbInfo& verb : verbs) {
    if (verb.name == name) return &verb;
  }
  return nullptr;
}

// What flags and words of one verb must satisfy together.
absl::Status CheckUsage(const VerbInfo& verb, const Invocation& it,
                        const std::set<std::string>& given) {
  std::set<std::string> known(verb.flags.begin(), verb.flags.end());
  for (const Flag& flag : GlobalFlags()) known.insert(flag.name);
  for (const std::string& name : given) {
    if (known.count(name) == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", name, ": not a flag of ", verb.name));
    }
  }
  if (it.words.size() < verb.min_words) {
    return absl::InvalidArgumentError(
        absl::StrCat(verb.name, ": wants ", verb.arguments));
  }
  if (it.words.size() > verb.max_words) {
    return absl::InvalidArgumentError(absl::StrCat(
        verb.name, ": superfluous argument ", it.words[verb.max_words]));
  }
  if (verb.name == "gc" && it.dry_run == it.now) {
    return absl::InvalidArgumentError(
        "gc: wants either --dry-run (says what would go) or --now");
  }
  if (verb.name == "publish" || verb.name == "unpublish") {
    if (it.publish.volume_id.empty() || it.publish.target.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(verb.name, ": wants --volume-id and --target"));
    }
  }
  return absl::OkStatus();
}

std::string ProgramHelp(const std::vector<VerbInfo>& verbs) {
  std::string text =
      "oneagent-csi: looks into the agent cache of this node\n\n"
      "Usage: oneagent-csi [--data-dir DIR] [-o table|json] VERB\n\n"
      "Verbs:\n";
  size_t width = 0;
  for (const VerbInfo& verb : verbs) {
    width = std::max(width, verb.name.size() + 1 + verb.arguments.size());
  }
  for (const VerbInfo& verb : verbs) {
    std::string left = verb.name;
    if (!verb.arguments.empty()) absl::StrAppend(&left, " ", verb.arguments);
    left.resize(width + 2, ' ');
    absl::StrAppend(&text, "  ", left, verb.summary, "\n");
  }
  absl::StrAppend(
      &text, "\nFlags (before or after the verb):\n", FlagHelp(GlobalFlags()),
      "\nExit codes: 0 fine, 1 a finding or a failure, 2 wrong usage.\n"
      "\nExamples:\n"
      "  oneagent-csi volumes\n"
      "  oneagent-csi -o json agents\n"
      "  oneagent-csi doctor\n"
      "  oneagent-csi gc --help\n");
  return text;
}

std::string VerbHelp(const VerbInfo& verb) {
  std::string text = absl::StrCat(verb.name, ": ", verb.summary,
                                  "\n\nUsage: oneagent-csi ", verb.name);
  if (!verb.flags.empty()) absl::StrAppend(&text, " [FLAGS]");
  if (!verb.arguments.empty()) absl::StrAppend(&text, " ", verb.arguments);
  text += "\n";
  if (!verb.details.empty()) absl::StrAppend(&text, "\n", verb.details);
  if (!verb.flags.empty()) {
    absl::StrAppend(&text, "\nFlags:\n", FlagHelp(FlagsOf(verb)));
  }
  absl::StrAppend(&text, "\nGlobal flags:\n", FlagHelp(GlobalFlags()),
                  "\nExamples:\n", verb.examples);
  return text;
}

}  // namespace

absl::StatusOr<Invocation> ParseInvocation(absl::string_view default_data_dir,
                                           absl::string_view working_dir,
                                           int argc, char* const* argv) {
  Invocation it;
  it.data_dir = std::string(default_data_dir);
  std::set<std::string> given;
  ASSIGN_OR_RETURN(it.words,
                   ParseFlags(Recording(AllFlags(&it), &given), argc, argv));
  if (!it.words.empty()) {
    it.verb = it.words.front();
    it.words.erase(it.words.begin());
  }
  if (it.verb == "help") {
    it.help = true;
    it.verb = it.words.empty() ? "" : it.words.front();
  }
  const std::vector<VerbInfo> verbs = VerbInfos();
  const VerbInfo* const verb = FindVerb(verbs, it.verb);
  if (verb == nullptr && !it.verb.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(it.verb, ": unknown verb"));
  }
  if (it.help || it.version) return it;
  if (verb == nullptr) return absl::InvalidArgumentError("no verb given");
  RETURN_IF_ERROR(CheckUsage(*verb, it, given));
  if (it.data_dir.empty()) {
    return absl::InvalidArgumentError("--data-dir=: is empty");
  }
  if (it.data_dir[0] != '/') {
    it.data_dir = absl::StrCat(working_dir, "/", it.data_dir);
  }
  return it;
}

std::string HelpText(absl::string_view verb_name) {
  const std::vector<VerbInfo> verbs = VerbInfos();
  const VerbInfo* const verb = FindVerb(verbs, verb_name);
  return verb == nullptr ? ProgramHelp(verbs) : VerbHelp(*verb);
}

absl::StatusOr<std::string> SocketPath(absl::string_view endpoint) {
  absl::string_view path = endpoint;
  if (absl::ConsumePrefix(&path, "unix:")) absl::ConsumePrefix(&path, "//");
  if (!absl::StartsWith(path, "/")) {
    return absl::InvalidArgumentError("not unix:///path, unix:/path or /path");
  }
  constexpr size_t kLongest = sizeof(sockaddr_un::sun_path) - 1;
  if (path.size() > kLongest) {
    return absl::InvalidArgumentError(absl::StrCat(
        "longer than ", kLongest, " bytes, which no socket may be"));
  }
  return std::string(path);
}

}  // namespace oneagent
