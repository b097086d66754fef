// Mounter on the running kernel. New mount API (Linux 5.2) first, with layers
// given by descriptor (FSCONFIG_SET_FD, 6.13) or as short lowerdir+ strings
// (6.8); mount(2) where the kernel lacks it. Lowest kernel 5.10.
#ifndef OVERLAY_KERNEL_MOUNTER_H_
#define OVERLAY_KERNEL_MOUNTER_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "overlay/mounter.h"

namespace oneagent {

enum class MountApi {
  kLayerFds,  // fsopen, layers by FSCONFIG_SET_FD
  // fsopen, lowerdir+ strings. fsconfig takes 255 bytes: a longer path is
  // given as /proc/self/fd/<layer>.
  kLayerStrings,
  // mount(2), at most 4095 bytes of options: FailedPrecondition above that.
  kLegacy,
};
const char* Name(MountApi api);

class KernelMounter final : public Mounter {
 public:
  // The best API that this kernel takes, found by trying it on a detached,
  // read-only overlay of two existing directories, neither within the other.
  // Nothing is written, nothing becomes visible: a full or broken disk must not
  // keep a node from answering, so layers that cannot be used only make the
  // answer a guess. Needs CAP_SYS_ADMIN: PermissionDenied without.
  static absl::StatusOr<MountApi> Probe(const std::string& lower,
                                        const std::string& other);

  explicit KernelMounter(MountApi api);

  absl::Status MountOverlay(const OverlayPlan& plan,
                            const MountTarget& target) override;
  absl::Status MountEmpty(absl::string_view reason,
                          const MountTarget& target) override;
  absl::Status BindStorage(const std::string& storage, bool read_only,
                           const MountTarget& target) override;
  absl::StatusOr<bool> IsMounted(const MountTarget& target) override;
  absl::Status Unmount(const MountTarget& target) override;

 private:
  const MountApi api_;
};

// Removes the marker that a volatile overlay leaves in its work directory even
// after a clean umount, so that upper and work can be mounted again. Only for
// layers that were last mounted in this boot (else data may be lost: take new
// directories). A missing marker is OK.
absl::Status ClearVolatileMarker(const std::string& work_dir);

}  // namespace oneagent

#endif  // OVERLAY_KERNEL_MOUNTER_H_
