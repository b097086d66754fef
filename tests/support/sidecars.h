// The CSI project's two sidecars of a node plugin, played for tests as clients
// of csi.sock: what they ask at start, how long they wait, when they give up.
#ifndef TESTS_SUPPORT_SIDECARS_H_
#define TESTS_SUPPORT_SIDECARS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace oneagent {

// node-driver-registrar v2.17. An object is the process's life: Start blocks as
// it does, an error is its exit with 1, the destructor is SIGTERM.
class NodeDriverRegistrar {
 public:
  struct Options {
    std::string csi_address;                // csi.sock as the sidecar sees it
    std::string kubelet_registration_path;  // csi.sock as kubelet sees it
    std::string plugin_registration_path;   // plugins_registry
    absl::Duration connect_for = absl::Seconds(30);
  };
  // Connects, asks GetPluginInfo once, within one second, and then serves the
  // registration socket: whatever socket stood there is removed, the new one is
  // bound in place.
  static absl::StatusOr<std::unique_ptr<NodeDriverRegistrar>> Start(
      const Options& options);
  ~NodeDriverRegistrar();

  // Of NotifyRegistrationStatus. After a refusal the sidecar has exited.
  bool HasBeenRefused() const;

 private:
  struct State;
  explicit NodeDriverRegistrar(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

// livenessprobe v2.19.
class LivenessProbe {
 public:
  // Waits for the socket for as long as it takes, then GetPluginInfo must
  // succeed.
  static absl::StatusOr<std::unique_ptr<LivenessProbe>> Start(
      const std::string& csi_address);

  // The HTTP status of GET /healthz: 200, or 500 where no connection could be
  // made, Probe failed or took more than three seconds, or said "not ready".
  int Healthz() const;

 private:
  explicit LivenessProbe(std::string csi_address);
  const std::string csi_address_;
};

}  // namespace oneagent

#endif  // TESTS_SUPPORT_SIDECARS_H_
