// A small CSI client over a unix socket, for tests and the bench: speaks as
// kubelet does, with a new connection for each call where that is asked for.
// Thread-safe (one channel serves many calls at once).
#ifndef TESTS_SUPPORT_CSI_CLIENT_H_
#define TESTS_SUPPORT_CSI_CLIENT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace oneagent {

struct CsiPod {
  std::string name;
  std::string namespace_name = "default";
  std::string uid;
  std::string service_account = "default";
};

struct CsiPublishCall {
  enum class Capability { kMount, kBlock, kNeither, kMissing };
  std::string volume_id;
  std::string target_path;
  Capability capability = Capability::kMount;
  bool read_only = false;
  std::map<std::string, std::string> context;
  std::map<std::string, std::string> secrets;
  // Of kMount.
  std::string fs_type = {};
  std::vector<std::string> mount_flags = {};
};

// "csi-" + SHA-256 of pod uid and volume name, nothing between them (kubelet's
// makeVolumeHandle): the same for as long as the pod exists.
std::string KubeletVolumeId(const std::string& pod_uid,
                            const std::string& volume_name);

// <kubelet_dir>/pods/<uid>/volumes/kubernetes.io~csi/<volume_name>/mount
std::string KubeletTarget(const std::string& kubelet_dir, const CsiPod& pod,
                          const std::string& volume_name);

// What kubelet sends for an inline volume `volume_name` with `attributes` in
// the pod: its id, its target, and the attributes overlaid by those of the pod.
CsiPublishCall KubeletPublishCall(
    const std::string& kubelet_dir, const CsiPod& pod,
    const std::string& volume_name,
    const std::map<std::string, std::string>& attributes);

// The call's message as it is on the wire.
std::string SerializedPublish(const CsiPublishCall& call);
std::string SerializedUnpublish(const std::string& volume_id,
                                const std::string& target_path);

// What kubelet makes before it calls: the target's parent, 0750. Aborts the
// test process when it cannot.
void MakeKubeletDirs(const std::string& target_path);

struct CsiUsage {
  int64_t used = 0;
  int64_t total = 0;
  int64_t available = 0;
};
struct CsiVolumeStats {
  CsiUsage bytes;
  CsiUsage inodes;
  bool is_abnormal = false;
  std::string condition;
};
struct CsiPluginInfo {
  std::string name;
  std::string vendor_version;
};

class TestCsiClient {
 public:
  enum class Connections {
    kOne,         // kept, as sidecars do
    kOnePerCall,  // as kubelet does
  };
  explicit TestCsiClient(std::string socket_path,
                         Connections connections = Connections::kOne);
  ~TestCsiClient();
  TestCsiClient(const TestCsiClient&) = delete;
  TestCsiClient& operator=(const TestCsiClient&) = delete;

  // Deadline of every later call; InfiniteDuration: none. 2 min at first.
  void SetTimeout(absl::Duration timeout);
  // Drops every call that is under way, as a caller does that dies: each
  // returns Cancelled, its server sees the connection go.
  void CancelAll();

  absl::Status Publish(const CsiPublishCall& call);
  absl::Status Unpublish(const std::string& volume_id,
                         const std::string& target_path);
  absl::StatusOr<CsiVolumeStats> GetVolumeStats(const std::string& volume_id,
                                                const std::string& volume_path);
  absl::StatusOr<bool> Probe();  // ready?
  absl::StatusOr<CsiPluginInfo> GetPluginInfo();
  absl::StatusOr<int> CountPluginCapabilities();
  absl::StatusOr<std::string> GetNodeId();
  // Names as in the protocol: "GET_VOLUME_STATS".
  absl::StatusOr<std::vector<std::string>> GetNodeCapabilities();
  absl::Status Stage(const std::string& volume_id);
  absl::Status Unstage(const std::string& volume_id);
  absl::Status Expand(const std::string& volume_id);

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace oneagent

#endif  // TESTS_SUPPORT_CSI_CLIENT_H_
