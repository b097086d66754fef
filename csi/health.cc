#include "csi/health.h"

#include <utility>

#include "csi/identity_client.h"

namespace oneagent {

MounterHealth::MounterHealth(std::string socket_path,
                             absl::Duration probe_timeout)
    : socket_path_(std::move(socket_path)),
      probe_timeout_(probe_timeout),
      readiness_({"index", "socket", "volumes"}) {}

HttpPages MounterHealth::Pages() const {
  return {{"/healthz",
           [this] {
             // 500, as upstream's.
             return StatusPage(AskReady(socket_path_, probe_timeout_), 500);
           }},
          {"/readyz", [this] { return readiness_.Page(); }}};
}

void MounterHealth::OnIndex(const absl::Status& usable) {
  readiness_.Set("index", usable);
}

void MounterHealth::OnReconciled(const absl::StatusOr<ReconcileResult>& result,
                                 absl::Duration /*duration*/) {
  readiness_.Set("volumes", result.status());
}

void MounterHealth::OnCollected(
    const absl::StatusOr<VolumeCollection>& /*result*/) {}

}  // namespace oneagent
