#include "csi/publish_message.h"

namespace oneagent {

RawPublishRequest RawOf(const ::csi::v1::NodePublishVolumeRequest& request) {
  using Capability = RawPublishRequest::Capability;
  RawPublishRequest raw;
  raw.volume_id = request.volume_id();
  raw.target_path = request.target_path();
  raw.read_only = request.readonly();
  if (request.has_volume_capability()) {
    const ::csi::v1::VolumeCapability& capability = request.volume_capability();
    raw.capability = capability.has_block()   ? Capability::kBlock
                     : capability.has_mount() ? Capability::kMount
                                              : Capability::kNeither;
    const auto& mount = capability.mount();  // empty if it is another
    raw.fs_type = mount.fs_type();
    raw.mount_flags.assign(mount.mount_flags().begin(),
                           mount.mount_flags().end());
    raw.volume_mount_group = mount.volume_mount_group();
  }
  if (!request.volume_context().empty()) {
    raw.context.emplace(request.volume_context().begin(),
                        request.volume_context().end());
  }
  return raw;
}

}  // namespace oneagent
