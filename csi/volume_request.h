// Validation of NodePublishVolume and NodeUnpublishVolume. Pure: strings in,
// typed values or InvalidArgument out, in the order and with the texts that
// users of the reference driver know.
#ifndef CSI_VOLUME_REQUEST_H_
#define CSI_VOLUME_REQUEST_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cache/conf/process_conf.h"
#include "cache/index/rows.h"

namespace oneagent {

inline constexpr absl::Duration kDefaultRetryTimeout = absl::Minutes(10);

// The fields of the gRPC message, without its types.
struct RawPublishRequest {
  enum class Capability { kMissing, kNeither, kBlock, kMount };
  std::string volume_id;
  std::string target_path;
  Capability capability = Capability::kMissing;
  bool read_only = false;
  // Of a mount capability.
  std::string fs_type = {};
  std::vector<std::string> mount_flags = {};
  std::string volume_mount_group = {};
  // nullopt: no volume_context at all (an empty map arrives as that, too).
  std::optional<std::map<std::string, std::string>> context;
};

struct PublishRequest {
  std::string volume_id;
  std::string target_path;
  VolumeMode mode = VolumeMode::kApp;
  bool read_only = false;
  std::string dynakube;
  absl::Duration retry_timeout = kDefaultRetryTimeout;
  std::string pod;
  std::string namespace_name;
  std::string pod_uid;
  std::string service_account;
  std::vector<ConfProperty> conf;  // conf.<section>.<key>, sorted by key
  // "fs_type=ext4 …": what was asked for and makes no difference here.
  std::string ignored = {};
};

// InvalidArgument with the reference's texts, in its order (Volume ID, Target
// path, capability, block, mount, context, pod name, pod namespace, mode,
// dynakube, dynakube's form, retryTimeout, and last an unknown mode), then
// ours: pod uid, the names' form, conf.*, the volume id's form, mount flags.
// Unknown attributes are ignored, those of kubelet pass.
//
// What a mount capability asks for beside: fs_type is ignored, because the
// volume has no file system of its own to be made; volume_mount_group too,
// because every uid and gid may write into the volume. Mount flags are promises
// (what must not be possible, or under which SELinux label): only those that
// hold of each of our mounts are taken. kubelet sends none to an inline volume,
// but for `context=` where the CSIDriver has seLinuxMount.
absl::StatusOr<PublishRequest> ParsePublishRequest(
    const RawPublishRequest& raw);

// Who a request says it is for, before anything was checked: for the log line
// of one that is refused. Nothing else of a volume context may be logged.
struct RequestOrigin {
  std::string pod;
  std::string namespace_name;
  std::string dynakube;
};
RequestOrigin OriginOf(const RawPublishRequest& raw);

absl::Status CheckUnpublishRequest(absl::string_view volume_id,
                                   absl::string_view target_path);

}  // namespace oneagent

#endif  // CSI_VOLUME_REQUEST_H_
