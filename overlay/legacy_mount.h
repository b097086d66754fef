// Mounts by mount(2), for kernels that cannot describe an overlay to fsconfig.
// It has no detached mounts: what it makes is visible at once, so whatever
// takes two calls shows half done in between, and is unmounted if the second
// one fails. Internal to this folder. Thread-safe.
#ifndef OVERLAY_LEGACY_MOUNT_H_
#define OVERLAY_LEGACY_MOUNT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "overlay/layer_stack.h"
#include "overlay/mounter.h"

namespace oneagent {

// nosuid and nodev, attached at the target; a symlink there is not followed.
// Errors: PosixStatus; FailedPrecondition when the overlay's options are
// longer than the 4095 bytes that mount(2) reads.
absl::Status LegacyOverlay(const OverlayPlan& plan, const MountTarget& target);
absl::Status LegacyEmptyVolume(const EmptyVolume& volume,
                               const MountTarget& target);
absl::Status LegacyBind(const std::string& storage, bool read_only,
                        const MountTarget& target);

}  // namespace oneagent

#endif  // OVERLAY_LEGACY_MOUNT_H_
