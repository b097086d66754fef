#include "cache/provisioner/config.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/flags.h"
#include "base/http_listener.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "cache/http/url.h"
#include "cache/kube/access_config.h"

namespace oneagent {
namespace {

struct Switches {
  bool once = false;
  bool help = false;
  bool version = false;
};

absl::StatusOr<LogLevels> ParseLevels(absl::string_view text) {
  return ParseLogLevels(text, kProvisionerLogComponents);
}

std::vector<Flag> Flags(Switches* switches, ProvisionerConfig* config) {
  std::vector<Flag> flags = {
      StringFlag("data-dir", "DIR", "where the cache lives", &config->data_dir),
      StringFlag("dynakube-dir", "DIR",
                 "manifests of DynaKubes, Secrets and ConfigMaps",
                 &config->dynakube_dir),
      StringFlag("kubeconfig", "FILE",
                 "DynaKubes from the API server that it names (default in a "
                 "pod: the cluster's)",
                 &config->kubeconfig),
      StringFlag("namespace", "NAMESPACE",
                 "whose DynaKubes (default: the pod's, or the kubeconfig's)",
                 &config->namespace_name),
      DurationFlag("start-jitter",
                   "the API server is first asked within this time, at once "
                   "by a node that lacks an agent (default: 30s)",
                   &config->start_jitter),
      StringFlag("node-name", "NODE",
                 "this node, for Events (default: the host's name)",
                 &config->node_name),
      StringFlag("remove-startup-taint", "KEY",
                 "take this taint from --node-name once its pods can have "
                 "agents",
                 &config->startup_taint),
      StringFlag("proxy", "URL",
                 "for tenants whose DynaKube names no proxy; without "
                 "credentials",
                 &config->proxy),
      StringFlag("no-proxy", "HOSTS",
                 "hosts that --proxy is not for, with commas between them",
                 &config->no_proxy),
      DurationFlag("max-retry-after",
                   "how long a tenant may ask to be left alone (default: 1h)",
                   &config->max_retry_after),
      SwitchFlag("once", "bring every DynaKube to its end, collect, and exit",
                 &switches->once),
      DurationFlag("grace-period",
                   "how long what nobody uses is kept (default: 5m)",
                   &config->grace_period),
      IntFlag("keep-versions", "N",
              "newest agents kept although nobody uses them (default: 1)",
              &config->keep_versions, /*least=*/0, /*most=*/1000),
      ParsedFlag("log-format", "FORMAT", "text (default) or json",
                 ParseLogFormat, &config->log_format),
      ParsedFlag<LogLevels>("log-level", "LEVELS", kLogLevelHelp, ParseLevels,
                            &config->log_levels),
      ParsedFlag("health-address", "ADDRESS",
                 "serve /healthz and /readyz on IP:PORT or :PORT",
                 ParseListenAddress, &config->health_address),
      ParsedFlag("metrics-address", "ADDRESS", "serve /metrics, likewise",
                 ParseListenAddress, &config->metrics_address),
      SwitchFlag("version", "print the version and exit", &switches->version),
      SwitchFlag("help", "print this and exit", &switches->help),
  };
  flags.back().short_name = 'h';
  return flags;
}

absl::Status CheckDirectory(absl::string_view flag, const std::string& path) {
  if (path.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("--", flag, ": missing"));
  }
  if (path.front() != '/') {
    return absl::InvalidArgumentError(absl::StrCat(
        "--", flag, "=", absl::CHexEscape(path), ": not an absolute path"));
  }
  return absl::OkStatus();
}

absl::Status CheckStartupTaint(const ProvisionerConfig& config) {
  if (config.startup_taint.empty()) return absl::OkStatus();
  if (config.node_name.empty()) {
    return absl::InvalidArgumentError(
        "--remove-startup-taint: needs --node-name");
  }
  if (!config.dynakube_dir.empty()) {
    return absl::InvalidArgumentError(
        "--remove-startup-taint: not with --dynakube-dir: there is no API "
        "server");
  }
  return absl::OkStatus();
}

// A command line is no place for a password.
absl::Status CheckProxy(const std::string& proxy) {
  if (proxy.empty()) return absl::OkStatus();
  const absl::StatusOr<ProxyAddress> parsed = ParseProxy(proxy);
  if (!parsed.ok()) return Annotate(parsed.status(), "--proxy");
  if (parsed->user.empty() && parsed->password.empty()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "--proxy: carries credentials, which belong into the Secret that a "
      "DynaKube's spec.proxy.valueFrom names");
}

absl::Status CheckSource(const ProvisionerConfig& config) {
  if (!config.dynakube_dir.empty()) {
    if (!config.kubeconfig.empty()) {
      return absl::InvalidArgumentError(
          "--dynakube-dir and --kubeconfig: only one of them");
    }
    if (!config.namespace_name.empty()) {
      return absl::InvalidArgumentError(
          "--namespace: not with --dynakube-dir, which is read as a whole");
    }
    return CheckDirectory("dynakube-dir", config.dynakube_dir);
  }
  if (config.kubeconfig.empty() &&
      !PodSurroundings::FromEnvironment().IsPod()) {
    return absl::InvalidArgumentError(
        "no source of DynaKubes: give --dynakube-dir or --kubeconfig, or run "
        "in a pod (KUBERNETES_SERVICE_HOST is not set)");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ProvisionerConfig> ParseProvisionerConfig(int argc,
                                                         char* const* argv) {
  using Action = ProvisionerConfig::Action;
  ProvisionerConfig config;
  Switches switches;
  ASSIGN_OR_RETURN(const std::vector<std::string> words,
                   ParseFlags(Flags(&switches, &config), argc, argv));
  if (!words.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(absl::CHexEscape(words.front()), ": unexpected argument"));
  }
  if (switches.help || switches.version) {
    config.action = switches.help ? Action::kHelp : Action::kVersion;
    return config;
  }
  config.action = switches.once ? Action::kRunOnce : Action::kRun;
  RETURN_IF_ERROR(CheckDirectory("data-dir", config.data_dir));
  RETURN_IF_ERROR(CheckSource(config));
  RETURN_IF_ERROR(CheckStartupTaint(config));
  RETURN_IF_ERROR(CheckProxy(config.proxy));
  return config;
}

std::string ProvisionerHelp() {
  Switches switches;
  ProvisionerConfig config;
  return absl::StrCat(
      "usage: oneagent-csi-provisioner --data-dir=DIR "
      "[--dynakube-dir=DIR | --kubeconfig=FILE] [FLAGS]\n\n"
      "Keeps on this node what DynaKubes ask for: agents, configuration "
      "layers,\nand what new pods get of them. DynaKubes come from a directory "
      "of\nmanifests, from the API server of a kubeconfig or, in a pod with "
      "neither,\nfrom the cluster's.\n\n",
      FlagHelp(Flags(&switches, &config)), "\nlog ",
      LogLevelsHelp(kProvisionerLogComponents),
      "\n\nexamples:\n"
      "  oneagent-csi-provisioner --data-dir=/data --dynakube-dir=/manifests\n"
      "  oneagent-csi-provisioner --data-dir=/data --dynakube-dir=/manifests "
      "--once\n");
}

}  // namespace oneagent
