// Mounter on the running kernel, by one of three ways of giving it an overlay.
// Which of them works here is mount_probe.h's to find out.
#ifndef OVERLAY_KERNEL_MOUNTER_H_
#define OVERLAY_KERNEL_MOUNTER_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "overlay/mounter.h"

namespace oneagent {

// Best first.
enum class MountApi {
  kLayerFds,  // fsopen, layers by FSCONFIG_SET_FD (O_PATH ones: after 6.12)
  // fsopen, lowerdir+ strings (6.8). fsconfig takes 255 bytes: a longer path is
  // given as /proc/self/fd/<layer>.
  kLayerStrings,
  // mount(2), at most 4095 bytes of options: FailedPrecondition above that.
  kLegacy,
};
inline constexpr MountApi kMountApis[] = {
    MountApi::kLayerFds, MountApi::kLayerStrings, MountApi::kLegacy};
const char* Name(MountApi api);

// The disk of an overlay had a write error that was reported to no one yet.
// overlayfs then refuses `volatile` mounts, which would hide it for good.
struct DiskError {
  std::string path;    // the upper layer
  absl::Status error;  // what the mount answered
  // The error went with a syncfs; else the overlay had to be mounted without
  // `volatile`, and its umount syncs the whole disk.
  bool cleared = false;
};

class KernelMounter final : public Mounter {
 public:
  // `on_disk_error` may be empty; it is called from whichever thread mounts.
  explicit KernelMounter(
      MountApi api, std::function<void(const DiskError&)> on_disk_error = {});

  absl::Status MountOverlay(const OverlayPlan& plan,
                            const MountTarget& target) override;
  absl::Status MountEmpty(const EmptyVolume& volume,
                          const MountTarget& target) override;
  absl::Status BindStorage(const std::string& storage, bool read_only,
                           const MountTarget& target) override;
  absl::StatusOr<bool> IsMounted(const MountTarget& target) override;
  absl::Status Unmount(const MountTarget& target) override;

  // The overlay that MountOverlay would attach, detached. Unimplemented for
  // kLegacy: mount(2) has no detached mounts.
  absl::StatusOr<UniqueFd> BuildDetached(const OverlayPlan& plan);

 private:
  // Calls `mount` with `plan`; where the disk forbids `volatile`, once more
  // when that is over, and at last with a plan that is not volatile.
  absl::Status MountOnDisk(
      const OverlayPlan& plan,
      const std::function<absl::Status(const OverlayPlan&)>& mount);

  const MountApi api_;
  const std::function<void(const DiskError&)> on_disk_error_;
};

// Removes the marker that a volatile overlay leaves in its work directory even
// after a clean umount, so that upper and work can be mounted again. Only for
// layers that were last mounted in this boot (else data may be lost: take new
// directories). A missing marker is OK.
absl::Status ClearVolatileMarker(const std::string& work_dir);

}  // namespace oneagent

#endif  // OVERLAY_KERNEL_MOUNTER_H_
