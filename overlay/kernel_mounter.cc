// Mounting, any of the three verbs:
//   1  look at the target (statx): a directory that is no mount
//   2  open the layers by descriptor
//   3  build the mount, detached and complete      overlay:built
//   4  attach it
// Death before 4 leaves nothing: a detached mount dies with its descriptor.
// (mount(2) has no step 3: LegacyEmptyVolume and LegacyBind are at the target,
// incomplete, at overlay:visible; whoever restarts finds a mount that no record
// calls mounted, and unmounts it.)
//
// Unmounting:
//   1  look at the target; not a mount: done
//   2  umount2, again while it is busy             unmount:busy
//                                                  unmount:peeled
//   3  from 1, because mounts may be stacked
// Death anywhere leaves whole mounts, fewer than before.
#include "overlay/kernel_mounter.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/confined_path.h"
#include "base/durable_file.h"
#include "base/failpoint.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "base/trash.h"
#include "overlay/layer.h"
#include "overlay/legacy_mount.h"
#include "overlay/mounts_below.h"
#include "overlay/new_mount_api.h"
#include "overlay/target_state.h"

namespace oneagent {
namespace {

// A container runtime may still be closing files of a pod that is gone. What
// takes longer is kubelet's to retry.
constexpr absl::Duration kBusyWaits[] = {
    absl::Milliseconds(10), absl::Milliseconds(30), absl::Milliseconds(60),
    absl::Milliseconds(90), absl::Milliseconds(110)};

// Removes one mount from the target. EINVAL: it was not one any more.
absl::Status UmountOnce(const MountTarget& target) {
  // By parent and name: a descriptor of the mounted root would pin it (EBUSY),
  // and UMOUNT_NOFOLLOW takes the link in /proc itself for the mount point.
  const std::string path =
      absl::StrCat(DescriptorPath(target.parent_fd), "/", target.name);
  if (umount2(path.c_str(), UMOUNT_NOFOLLOW) == 0) return absl::OkStatus();
  return PosixStatus(absl::StrCat("unmount ", target.path), errno);
}

absl::StatusOr<UniqueFd> TryOverlay(const OverlayPlan& plan, MountApi api) {
  return BuildOverlay(plan, api == MountApi::kLayerFds
                                ? LayerPassing::kDescriptors
                                : LayerPassing::kStrings);
}

// The kernel's EINVAL is no fault of a caller.
absl::Status Failed(const absl::Status& status, absl::string_view what,
                    const MountTarget& target) {
  return WithCode(Annotate(status, absl::StrCat(what, " for ", target.path)),
                  absl::IsInvalidArgument(status) ? absl::StatusCode::kInternal
                                                  : status.code());
}

// Whether a mount that failed so may succeed without `volatile`: an unseen
// write error (EIO), and a kernel that does not know the word (EINVAL).
bool MayMindVolatile(const absl::Status& refused) {
  return absl::IsInternal(refused) || absl::IsInvalidArgument(refused);
}

absl::Status AttachBuilt(const UniqueFd& mount, const MountTarget& target) {
  Failpoint("overlay:built");
  return Attach(mount.get(), target);
}

}  // namespace

const char* Name(MountApi api) {
  switch (api) {
    case MountApi::kLayerFds:
      return "layer-fds";
    case MountApi::kLayerStrings:
      return "layer-strings";
    case MountApi::kLegacy:
      return "legacy";
  }
  return "unknown";
}

KernelMounter::KernelMounter(
    MountApi api, std::function<void(const DiskError&)> on_disk_error)
    : api_(api), on_disk_error_(std::move(on_disk_error)) {}

absl::Status KernelMounter::MountOverlay(const OverlayPlan& plan,
                                         const MountTarget& target) {
  RETURN_IF_ERROR(CheckMountable(target));
  if (api_ == MountApi::kLegacy) {
    return MountOnDisk(plan, [&target](const OverlayPlan& wanted) {
      return LegacyOverlay(wanted, target);
    });
  }
  const absl::StatusOr<UniqueFd> mount = BuildDetached(plan);
  if (!mount.ok()) return Failed(mount.status(), "overlay", target);
  return AttachBuilt(*mount, target);
}

absl::StatusOr<UniqueFd> KernelMounter::BuildDetached(const OverlayPlan& plan) {
  if (api_ == MountApi::kLegacy) {
    return absl::UnimplementedError("mount(2) has no detached mounts");
  }
  UniqueFd mount;
  RETURN_IF_ERROR(MountOnDisk(plan, [&](const OverlayPlan& wanted) {
    ASSIGN_OR_RETURN(mount, TryOverlay(wanted, api_));
    return absl::OkStatus();
  }));
  return mount;
}

absl::Status KernelMounter::MountOnDisk(
    const OverlayPlan& plan,
    const std::function<absl::Status(const OverlayPlan&)>& mount) {
  const absl::Status refused = mount(plan);
  if (refused.ok() || !plan.is_volatile || !MayMindVolatile(refused)) {
    return refused;
  }
  // The kernel compares with the errors that have been reported: by syncfs.
  const absl::StatusOr<UniqueFd> upper = OpenLayer("upper", plan.upper);
  if (!upper.ok()) return refused;
  const UniqueFd disk(
      openat(upper->get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const bool reported = disk.ok() && syncfs(disk.get()) != 0;
  bool cleared = reported && mount(plan).ok();
  if (!cleared && !mount(WithoutVolatile(plan)).ok()) return refused;
  if (on_disk_error_) {
    on_disk_error_({.path = plan.upper, .error = refused, .cleared = cleared});
  }
  return absl::OkStatus();
}

absl::Status KernelMounter::MountEmpty(const EmptyVolume& volume,
                                       const MountTarget& target) {
  RETURN_IF_ERROR(CheckMountable(target));
  if (api_ == MountApi::kLegacy) return LegacyEmptyVolume(volume, target);
  const absl::StatusOr<UniqueFd> mount = BuildEmptyVolume(volume);
  if (!mount.ok()) return Failed(mount.status(), "empty volume", target);
  return AttachBuilt(*mount, target);
}

absl::Status KernelMounter::BindStorage(const std::string& storage,
                                        bool read_only,
                                        const MountTarget& target) {
  RETURN_IF_ERROR(CheckMountable(target));
  if (api_ == MountApi::kLegacy) return LegacyBind(storage, read_only, target);
  const absl::StatusOr<UniqueFd> mount = BuildBind(storage, read_only);
  if (!mount.ok()) {
    return Annotate(mount.status(), absl::StrCat("bind for ", target.path));
  }
  return AttachBuilt(*mount, target);
}

absl::StatusOr<bool> KernelMounter::IsMounted(const MountTarget& target) {
  ASSIGN_OR_RETURN(const TargetState state, LookAt(target));
  return state == TargetState::kMountRoot;
}

absl::Status KernelMounter::Unmount(const MountTarget& target) {
  const absl::Duration* wait = std::begin(kBusyWaits);
  while (true) {
    ASSIGN_OR_RETURN(const bool mounted, IsMounted(target));
    if (!mounted) return absl::OkStatus();
    const absl::Status status = UmountOnce(target);
    if (status.ok()) {
      Failpoint("unmount:peeled");
      continue;
    }
    // Anything but EBUSY: gone since we looked, or not to be unmounted at all.
    if (!absl::IsUnavailable(status)) {
      ASSIGN_OR_RETURN(const bool still_mounted, IsMounted(target));
      return still_mounted ? status : absl::OkStatus();
    }
    Failpoint("unmount:busy");
    if (wait == std::end(kBusyWaits)) return NameMountsBelow(status, target);
    absl::SleepFor(*wait++);
  }
}

absl::Status ClearVolatileMarker(const std::string& work_dir) {
  ASSIGN_OR_RETURN(const UniqueFd work, OpenLayer("work", work_dir));
  // overlayfs keeps its own directory "work" below ours.
  const absl::StatusOr<UniqueFd> incompat =
      OpenBeneath(work.get(), "work/incompat", O_RDONLY | O_DIRECTORY);
  if (absl::IsNotFound(incompat.status())) return absl::OkStatus();
  if (!incompat.ok()) return Annotate(incompat.status(), work_dir);
  // The last "." makes the kernel go through the descriptor's link.
  return Annotate(
      DeleteTree(absl::StrCat(DescriptorPath(incompat->get()), "/./volatile")),
      work_dir);
}

}  // namespace oneagent
