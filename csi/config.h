// The mounter's command line.
#ifndef CSI_CONFIG_H_
#define CSI_CONFIG_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/log.h"
#include "overlay/target_resolver.h"

namespace oneagent {

// What --log-level knows: who of the mounter logs.
inline constexpr absl::string_view kMounterLogComponents[] = {
    "daemon",        // start and end
    "identity",      // calls of csi.v1.Identity
    "node",          // calls of csi.v1.Node: publish, unpublish, stats
    "volumes",       // what is reconciled, recorded late, collected
    "index",         // rebuilt
    "socket",        // lost, and listened on anew
    "registration",  // with kubelet
    "http",          // where --health-address and --metrics-address listen
};

struct MounterConfig {
  enum class Action { kServe, kHelp, kVersion };
  Action action = Action::kServe;
  std::string socket_path;  // of --endpoint, else of CSI_ENDPOINT
  std::string data_dir;
  std::string kubelet_dir = "/var/lib/kubelet";
  std::string node_id;
  LogFormat log_format = LogFormat::kText;
  LogLevels log_levels = {};
  int64_t max_in_flight = 20;
  int64_t max_mount_attempts = 0;  // 0: no limit
  bool drain = false;              // only unmount and clean
  bool empty_volume_stub = true;
  TargetCheck target_check = TargetCheck::kKubelet;
  std::string registration_dir;     // empty: somebody else registers the driver
  std::string kubelet_socket_path;  // the socket as kubelet sees it
  std::string health_address;       // empty: none is served
  std::string metrics_address;      // likewise
  absl::Duration probe_timeout = absl::Seconds(3);  // of /healthz
};

// `csi_endpoint` is the value of CSI_ENDPOINT, or null. InvalidArgument naming
// the flag and its value. With --help or --version nothing else is required.
absl::StatusOr<MounterConfig> ParseMounterConfig(int argc, char* const* argv,
                                                 const char* csi_endpoint);

// The text of --help.
std::string MounterHelp();

}  // namespace oneagent

#endif  // CSI_CONFIG_H_
