// Speaks CSI to the mounter, as kubelet does. The one place of the CLI that
// knows gRPC. Not thread-safe.
//
// Errors carry the code and the message that the mounter answered;
// Unavailable when nobody listens, DeadlineExceeded when it takes too long.
#ifndef CACHE_INSPECT_CSI_CALLS_H_
#define CACHE_INSPECT_CSI_CALLS_H_

#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace oneagent {

struct PluginStatus {
  std::string name;
  std::string vendor_version;
  std::string node_id;
  bool ready = false;
};

struct PublishCall {
  std::string volume_id;
  std::string target;
  bool read_only = false;
  std::map<std::string, std::string> context;
};

// What the mounter says about a published volume.
struct VolumeCondition {
  bool abnormal = false;
  std::string message;
};

class CsiClient {
 public:
  // Does not connect yet.
  static std::unique_ptr<CsiClient> Create(const std::string& socket_path,
                                           absl::Duration timeout);
  ~CsiClient();

  absl::StatusOr<PluginStatus> Probe();
  absl::Status Publish(const PublishCall& call);
  absl::Status Unpublish(const std::string& volume_id,
                         const std::string& target);
  absl::StatusOr<VolumeCondition> Condition(const std::string& volume_id,
                                            const std::string& target);

 private:
  struct Stubs;
  explicit CsiClient(std::unique_ptr<Stubs> stubs);

  const std::unique_ptr<Stubs> stubs_;
};

}  // namespace oneagent

#endif  // CACHE_INSPECT_CSI_CALLS_H_
