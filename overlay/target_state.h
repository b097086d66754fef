// What is at a mount target, seen by (parent descriptor, name) and through no
// symlink. Internal to this folder. Thread-safe.
#ifndef OVERLAY_TARGET_STATE_H_
#define OVERLAY_TARGET_STATE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "overlay/mounter.h"

namespace oneagent {

enum class TargetState {
  kMissing,
  kDirectory,  // not the root of a mount
  kMountRoot,  // of any type, also one that no longer answers
  kSymlink,
  kOther,  // a file, socket, device
};

// InvalidArgument when the target's name is not one real component; else
// PosixStatus when the kernel does not tell.
absl::StatusOr<TargetState> LookAt(const MountTarget& target);

// What a failed look at a target says about it: ENOENT missing; ESTALE,
// ENOTCONN, EIO and the like a mount whose file system is gone. Only a mount
// can answer so: the directory below it is on the node's own disk. PosixStatus
// for every other error.
absl::StatusOr<TargetState> StateFromError(int error, const std::string& path);

// OK when something may be mounted on the target, else as Mounter says.
absl::Status CheckMountable(const MountTarget& target);

// The target as an O_PATH descriptor; after a mount, its root.
absl::StatusOr<UniqueFd> OpenTarget(const MountTarget& target);

// "/proc/self/fd/<fd>": for system calls that take paths only.
std::string DescriptorPath(int fd);

}  // namespace oneagent

#endif  // OVERLAY_TARGET_STATE_H_
