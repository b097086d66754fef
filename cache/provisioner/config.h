// The provisioner's command line.
#ifndef CACHE_PROVISIONER_CONFIG_H_
#define CACHE_PROVISIONER_CONFIG_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/log.h"

namespace oneagent {

// What --log-level knows: who of the provisioner logs.
inline constexpr absl::string_view kProvisionerLogComponents[] = {
    "daemon",     // start and end
    "source",     // DynaKubes and what belongs to them: read, left out
    "reconcile",  // how each DynaKube stands
    "download",   // agents on their way to the node
    "volumes",    // those that wait for an agent, and those that got none
    "collect",    // what is deleted because nobody uses it
    "index",      // rebuilt, unusable, recovered
    "http",       // where --health-address and --metrics-address listen
};

struct ProvisionerConfig {
  enum class Action { kRun, kRunOnce, kHelp, kVersion };
  Action action = Action::kRun;
  std::string data_dir;
  // One of the two, or neither in a pod: then the cluster's API.
  std::string dynakube_dir;
  std::string kubeconfig;
  std::string namespace_name;  // empty: as pod or kubeconfig say
  absl::Duration start_jitter = absl::Seconds(30);
  std::string node_name;      // empty: the host's
  std::string startup_taint;  // key; empty: none is removed
  std::string proxy;  // for tenants whose DynaKube names none; no credentials
  std::string no_proxy;  // comma-separated hosts
  absl::Duration max_retry_after = absl::Hours(1);
  absl::Duration grace_period = absl::Minutes(5);
  int64_t keep_versions = 1;
  LogFormat log_format = LogFormat::kText;
  LogLevels log_levels = {};
  std::string health_address;   // empty: none is served
  std::string metrics_address;  // likewise
};

// InvalidArgument naming the flag and its value. With --help or --version
// nothing else is required.
absl::StatusOr<ProvisionerConfig> ParseProvisionerConfig(int argc,
                                                         char* const* argv);

// The text of --help.
std::string ProvisionerHelp();

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_CONFIG_H_
