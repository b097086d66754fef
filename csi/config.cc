#include "csi/config.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/duration.h"
#include "base/flags.h"
#include "base/http_listener.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "csi/endpoint.h"
#include "csi/registration.h"

namespace oneagent {
namespace {

// CSI: a node id has at most 256 bytes.
constexpr size_t kMostNodeIdBytes = 256;
// An answer takes a millisecond, and much longer on a node that is busy.
constexpr absl::Duration kLeastProbeTimeout = absl::Milliseconds(100);

struct RawFlags {
  std::string endpoint;
  bool help = false;
  bool version = false;
};

absl::StatusOr<TargetCheck> ParseTargetCheck(absl::string_view text) {
  if (text == "kubelet") return TargetCheck::kKubelet;
  if (text == "any") return TargetCheck::kAny;
  return absl::InvalidArgumentError("not one of kubelet, any");
}

absl::StatusOr<bool> ParseBool(absl::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return absl::InvalidArgumentError("not one of true, false");
}

absl::StatusOr<LogLevels> ParseLevels(absl::string_view text) {
  return ParseLogLevels(text, kMounterLogComponents);
}

std::vector<Flag> Flags(RawFlags* raw, MounterConfig* config) {
  std::vector<Flag> flags = {
      StringFlag("endpoint", "SOCKET",
                 "unix:/path, unix:///path or /path (default: $CSI_ENDPOINT)",
                 &raw->endpoint),
      StringFlag("data-dir", "DIR", "where the cache lives", &config->data_dir),
      StringFlag("kubelet-dir", "DIR",
                 "kubelet's root (default: /var/lib/kubelet)",
                 &config->kubelet_dir),
      StringFlag("node-id", "NAME", "this node's name", &config->node_id),
      ParsedFlag("log-format", "FORMAT", "text (default) or json",
                 ParseLogFormat, &config->log_format),
      ParsedFlag<LogLevels>("log-level", "LEVELS", kLogLevelHelp, ParseLevels,
                            &config->log_levels),
      IntFlag("max-in-flight", "N",
              "volumes published or unpublished at once (default: 20)",
              &config->max_in_flight, /*least=*/1, /*most=*/1000),
      IntFlag("max-mount-attempts", "N",
              "attempts before a volume is published empty (default: 0, off)",
              &config->max_mount_attempts, /*least=*/0, /*most=*/1'000'000),
      SwitchFlag("drain",
                 "only unmount and clean: new volumes are published empty",
                 &config->drain),
      ParsedFlag("empty-volume-stub", "BOOL",
                 "true (default): empty volumes hold a library for LD_PRELOAD",
                 ParseBool, &config->empty_volume_stub),
      ParsedFlag("target-check", "RULE",
                 "kubelet (default), or any: targets outside kubelet's pods",
                 ParseTargetCheck, &config->target_check),
      StringFlag("registration-dir", "DIR",
                 "kubelet's plugins_registry: register there (default: off)",
                 &config->registration_dir),
      StringFlag("kubelet-socket-path", "PATH",
                 "the endpoint as kubelet sees it; with --registration-dir",
                 &config->kubelet_socket_path),
      ParsedFlag("health-address", "ADDRESS",
                 "serve /healthz and /readyz on IP:PORT or :PORT",
                 ParseListenAddress, &config->health_address),
      ParsedFlag("metrics-address", "ADDRESS", "serve /metrics, likewise",
                 ParseListenAddress, &config->metrics_address),
      DurationFlag("probe-timeout", "how long /healthz waits (default: 3s)",
                   &config->probe_timeout),
      SwitchFlag("version", "print the version and exit", &raw->version),
      SwitchFlag("help", "print this and exit", &raw->help),
  };
  flags.back().short_name = 'h';
  return flags;
}

absl::Status CheckAbsolute(absl::string_view flag, const std::string& path) {
  if (path.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("--", flag, ": missing"));
  }
  if (path.front() != '/' || path.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--", flag, "=", absl::CHexEscape(path), ": not an absolute path"));
  }
  return absl::OkStatus();
}

absl::Status CheckNodeId(const std::string& node_id) {
  if (node_id.empty()) {
    return absl::InvalidArgumentError("--node-id: missing");
  }
  if (node_id.size() > kMostNodeIdBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--node-id=", node_id.substr(0, 16), "...: ", node_id.size(),
        " bytes, more than ", kMostNodeIdBytes));
  }
  const bool is_printable =
      std::all_of(node_id.begin(), node_id.end(),
                  [](char c) { return c > ' ' && c < '\x7f'; });
  if (!is_printable) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--node-id=", absl::CHexEscape(node_id), ": not a node's name"));
  }
  return absl::OkStatus();
}

// Both paths are connected to by kubelet: what is wrong with them would show
// nowhere else.
absl::Status CheckRegistration(const MounterConfig& config) {
  if (config.registration_dir.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(CheckAbsolute("registration-dir", config.registration_dir));
  RETURN_IF_ERROR(Annotate(
      ParseEndpoint(RegistrationSocket(config.registration_dir)).status(),
      "--registration-dir"));
  const absl::string_view flag = "kubelet-socket-path";
  RETURN_IF_ERROR(CheckAbsolute(flag, config.kubelet_socket_path));
  return Annotate(ParseEndpoint(config.kubelet_socket_path).status(),
                  absl::StrCat("--", flag));
}

}  // namespace

absl::StatusOr<MounterConfig> ParseMounterConfig(int argc, char* const* argv,
                                                 const char* csi_endpoint) {
  MounterConfig config;
  RawFlags raw;
  ASSIGN_OR_RETURN(const std::vector<std::string> words,
                   ParseFlags(Flags(&raw, &config), argc, argv));
  if (!words.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(absl::CHexEscape(words.front()), ": unexpected argument"));
  }
  if (raw.help || raw.version) {
    config.action = raw.help ? MounterConfig::Action::kHelp
                             : MounterConfig::Action::kVersion;
    return config;
  }
  const bool has_flag = !raw.endpoint.empty();
  if (!has_flag && (csi_endpoint == nullptr || *csi_endpoint == '\0')) {
    return absl::InvalidArgumentError(
        "--endpoint: missing, and CSI_ENDPOINT is not set");
  }
  absl::StatusOr<std::string> socket_path =
      ParseEndpoint(has_flag ? raw.endpoint : csi_endpoint);
  if (!socket_path.ok()) {
    return Annotate(socket_path.status(),
                    has_flag ? "--endpoint" : "CSI_ENDPOINT");
  }
  config.socket_path = *std::move(socket_path);
  RETURN_IF_ERROR(CheckAbsolute("data-dir", config.data_dir));
  RETURN_IF_ERROR(CheckAbsolute("kubelet-dir", config.kubelet_dir));
  RETURN_IF_ERROR(CheckNodeId(config.node_id));
  RETURN_IF_ERROR(CheckRegistration(config));
  if (config.probe_timeout < kLeastProbeTimeout) {
    return absl::InvalidArgumentError(
        absl::StrCat("--probe-timeout=", FormatGoDuration(config.probe_timeout),
                     ": less than ", FormatGoDuration(kLeastProbeTimeout)));
  }
  return config;
}

std::string MounterHelp() {
  RawFlags raw;
  MounterConfig config;
  return absl::StrCat(
      "oneagent-csi-mounter: CSI node plugin csi.oneagent.dynatrace.com\n\n"
      "usage: oneagent-csi-mounter --endpoint=SOCKET --data-dir=DIR "
      "--node-id=NAME\n         [flags]\n\nflags:\n",
      FlagHelp(Flags(&raw, &config)), "\nlog ",
      LogLevelsHelp(kMounterLogComponents),
      "\n\nexample:\n  oneagent-csi-mounter --endpoint=unix:///csi/csi.sock "
      "--data-dir=/data \\\n    --node-id=\"$NODE_NAME\" "
      "--registration-dir=/registration \\\n    --kubelet-socket-path="
      "/var/lib/kubelet/plugins/csi.oneagent.dynatrace.com/csi.sock\n");
}

}  // namespace oneagent
