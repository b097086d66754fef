#include "overlay/legacy_mount.h"

#include <sys/mount.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "overlay/empty_volume.h"
#include "overlay/layer.h"
#include "overlay/target_state.h"

namespace oneagent {
namespace {

// mount(2) copies one page of options and cuts off the rest: the kernel would
// report a layer that does not exist (ENOENT), or mount the wrong ones.
constexpr size_t kMaxOptions = 4095;

constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV;

unsigned long ReadOnlyFlag(bool read_only) { return read_only ? MS_RDONLY : 0; }

// Mounts on the directory `point_fd`, opened without following a link: through
// /proc/self/fd the kernel takes exactly that directory.
absl::Status MountOn(int point_fd, const MountTarget& target,
                     const std::string& source, const char* fs_type,
                     unsigned long flags, const char* options) {
  if (mount(source.c_str(), DescriptorPath(point_fd).c_str(), fs_type, flags,
            options) != 0) {
    return PosixStatus(absl::StrCat("mount ", target.path), errno);
  }
  return absl::OkStatus();
}

// Unmounts what was just mounted, unless cancelled.
auto RollBack(const MountTarget& target) {
  return absl::Cleanup([&target] {
    const std::string path =
        absl::StrCat(DescriptorPath(target.parent_fd), "/", target.name);
    // Nobody uses the mount yet. Should it fail all the same, the caller's
    // Unmount finds it.
    (void)umount2(path.c_str(), UMOUNT_NOFOLLOW);
  });
}

// Changes the flags of the mount that is at the target now.
absl::Status Remount(const MountTarget& target, unsigned long flags) {
  ASSIGN_OR_RETURN(const UniqueFd root, OpenTarget(target));
  if (mount(nullptr, DescriptorPath(root.get()).c_str(), nullptr,
            MS_REMOUNT | flags, nullptr) != 0) {
    return PosixStatus(absl::StrCat("remount ", target.path), errno);
  }
  return absl::OkStatus();
}

std::string EmptyVolumeOptions() {
  std::string options;
  for (const TmpfsOption& option : kEmptyVolumeOptions) {
    absl::StrAppend(&options, options.empty() ? "" : ",", option.key, "=",
                    option.value);
  }
  return options;
}

}  // namespace

absl::Status LegacyOverlay(const OverlayPlan& plan, const MountTarget& target) {
  if (plan.legacy_options.size() > kMaxOptions) {
    return absl::FailedPreconditionError(absl::StrCat(
        "mount ", target.path, ": ", plan.legacy_options.size(),
        " bytes of overlay options, mount(2) takes ", kMaxOptions));
  }
  // mount(2) takes paths; opening the layers first refuses links and names the
  // layer that is missing, which the kernel does not.
  ASSIGN_OR_RETURN(const OpenLayers layers, OpenAllLayers(plan));
  ASSIGN_OR_RETURN(const UniqueFd point, OpenTarget(target));
  Failpoint("overlay:built");
  RETURN_IF_ERROR(MountOn(point.get(), target, kMountSource, "overlay",
                          kFlags | ReadOnlyFlag(plan.read_only),
                          plan.legacy_options.c_str()));
  if (plan.read_only) return absl::OkStatus();
  auto roll_back = RollBack(target);
  ASSIGN_OR_RETURN(const UniqueFd root, OpenTarget(target));
  RETURN_IF_ERROR(CheckWritable(root.get()));
  std::move(roll_back).Cancel();
  return absl::OkStatus();
}

absl::Status LegacyEmptyVolume(const EmptyVolume& volume,
                               const MountTarget& target) {
  ASSIGN_OR_RETURN(const UniqueFd point, OpenTarget(target));
  Failpoint("overlay:built");
  RETURN_IF_ERROR(MountOn(point.get(), target, kMountSource, "tmpfs", kFlags,
                          EmptyVolumeOptions().c_str()));
  auto roll_back = RollBack(target);
  Failpoint("overlay:visible");
  // Closed before the roll-back: it would keep the mount busy.
  ASSIGN_OR_RETURN(const UniqueFd root, OpenTarget(target));
  RETURN_IF_ERROR(FillEmptyVolume(root.get(), volume));
  // Without MS_BIND: the file system itself becomes read-only.
  if (volume.read_only) RETURN_IF_ERROR(Remount(target, kFlags | MS_RDONLY));
  std::move(roll_back).Cancel();
  return absl::OkStatus();
}

absl::Status LegacyBind(const std::string& storage, bool read_only,
                        const MountTarget& target) {
  ASSIGN_OR_RETURN(const UniqueFd source, OpenLayer("storage", storage));
  ASSIGN_OR_RETURN(const UniqueFd point, OpenTarget(target));
  Failpoint("overlay:built");
  RETURN_IF_ERROR(MountOn(point.get(), target, DescriptorPath(source.get()),
                          nullptr, MS_BIND, nullptr));
  auto roll_back = RollBack(target);
  Failpoint("overlay:visible");
  // A bind takes no other flags at once; they need a second call.
  RETURN_IF_ERROR(Remount(target, MS_BIND | kFlags | ReadOnlyFlag(read_only)));
  std::move(roll_back).Cancel();
  return absl::OkStatus();
}

}  // namespace oneagent
