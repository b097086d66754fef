// Mounts by fsopen, fsconfig, fsmount, open_tree and move_mount: each is built
// detached, complete, and then attached in one step. A detached mount is its
// descriptor; closing it unmounts. Internal to this folder. Thread-safe.
#ifndef OVERLAY_NEW_MOUNT_API_H_
#define OVERLAY_NEW_MOUNT_API_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "overlay/layer_stack.h"
#include "overlay/mounter.h"

namespace oneagent {

enum class LayerPassing { kDescriptors, kStrings };

// Detached mounts, nosuid and nodev. Errors: PosixStatus naming the step, with
// the kernel's own text where it gives one; InvalidArgument for its EINVAL;
// as CheckWritable for an overlay that is not what the plan asks for.
absl::StatusOr<UniqueFd> BuildOverlay(const OverlayPlan& plan,
                                      LayerPassing passing);
absl::StatusOr<UniqueFd> BuildEmptyVolume(const EmptyVolume& volume);
absl::StatusOr<UniqueFd> BuildBind(const std::string& storage, bool read_only);

// Makes the detached mount visible at the target. A symlink there is not
// followed.
absl::Status Attach(int mount_fd, const MountTarget& target);

}  // namespace oneagent

#endif  // OVERLAY_NEW_MOUNT_API_H_
