// What kubelet does with a CSI driver for one volume: SetUp and TearDown, each
// one operation from its first directory to its last. Blocking; thread-safe for
// different volumes.
#ifndef TESTS_SUPPORT_KUBELET_DRIVER_H_
#define TESTS_SUPPORT_KUBELET_DRIVER_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/support/csi_client.h"
#include "tests/support/kubelet_rules.h"

namespace oneagent {

inline constexpr char kKubeletDriverName[] = "csi.oneagent.dynatrace.com";

// How the driver is reached. Called on several threads at once.
struct CsiDriverCalls {
  std::function<absl::Status()> get_capabilities;
  std::function<absl::Status(const CsiPublishCall&)> publish;
  std::function<absl::Status(const std::string& volume_id,
                             const std::string& target)>
      unpublish;
  std::function<absl::StatusOr<CsiVolumeStats>(const std::string& volume_id,
                                               const std::string& path)>
      get_stats;
  // The process is killed: calls under way lose their connection.
  std::function<void()> cancel_all;
};

// The driver at `socket`, a new connection for each call. `timeout` is each
// call's deadline, in real time.
CsiDriverCalls CallsTo(const std::string& socket,
                       absl::Duration timeout = absl::Minutes(2));

struct KubeletOutcome {
  CallVerdict verdict = CallVerdict::kDone;
  absl::Status status;
  bool called = false;  // the driver was asked to publish or unpublish
};

// csi_mounter.go, SetUpAt: directories, vol_data.json, NodeGetCapabilities
// twice, NodePublishVolume; after a final code removeMountDir.
KubeletOutcome SetUpVolume(const CsiDriverCalls& driver,
                           const CsiPublishCall& call,
                           const std::string& volume_name,
                           const std::string& node_name);

// csi_mounter.go, NewUnmounter and TearDownAt: vol_data.json names the volume
// (unreadable: the driver is not called), NodeUnpublishVolume, removeMountDir.
KubeletOutcome TearDownVolume(const CsiDriverCalls& driver,
                              const std::string& target);

// In place of either for a driver that is not registered.
KubeletOutcome DriverUnknown();

}  // namespace oneagent

#endif  // TESTS_SUPPORT_KUBELET_DRIVER_H_
