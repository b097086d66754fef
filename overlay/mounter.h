// The port to the kernel's mounts: few verbs, named for what they are for.
// KernelMounter does them, FakeMounter (tests/support) plays them.
//
// A target is a directory that exists, named by its open parent and its last
// component, because statx and umount2 on a descriptor of the mount point
// itself see the directory below the mount, not the mount.
//
// All our mounts are nosuid and nodev. Implementations are thread-safe for
// different targets; calls for one target must be serialised by the caller
// (a second attach on an old descriptor would stack silently).
//
// The three verbs that mount refuse a target that is mounted already
// (AlreadyExists: nothing is ever stacked), is missing (NotFound), or is a
// symlink or a file (FailedPrecondition). On error nothing is mounted.
#ifndef OVERLAY_MOUNTER_H_
#define OVERLAY_MOUNTER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "overlay/layer_stack.h"
#include "overlay/mount_table.h"  // kMountSource

namespace oneagent {

// The file in an empty volume that says why it is empty.
inline constexpr char kEmptyMarker[] = "ONEAGENT_NOT_INJECTED";

// What is mounted where an agent cannot be had: a tmpfs with kEmptyMarker
// (0444, at most a page) and the directories of mount_points.h, bounded in
// bytes and inodes.
struct EmptyVolume {
  std::string reason;      // what the marker says; its beginning, if it is long
  bool read_only = false;  // the file system itself
  // A library that does nothing stands where LD_PRELOAD looks for the agent's.
  bool has_preload_stub = false;
};

struct MountTarget {
  int parent_fd = -1;  // borrowed, opened O_PATH or O_RDONLY
  std::string name;    // one component
  std::string path;    // absolute, for messages only
};

class Mounter {
 public:
  virtual ~Mounter() = default;

  // Builds the overlay detached and complete, then attaches it at the target.
  // Errors name the option and the kernel's own text where it gives one.
  virtual absl::Status MountOverlay(const OverlayPlan& plan,
                                    const MountTarget& target) = 0;

  virtual absl::Status MountEmpty(const EmptyVolume& volume,
                                  const MountTarget& target) = 0;

  // Binds the directory `storage` at the target.
  virtual absl::Status BindStorage(const std::string& storage, bool read_only,
                                   const MountTarget& target) = 0;

  // True when the target is the root of a mount (statx, 3 us whatever the
  // number of mounts), one that no longer answers (ESTALE, ENOTCONN, EIO)
  // included; false too when the target does not exist.
  virtual absl::StatusOr<bool> IsMounted(const MountTarget& target) = 0;

  // Unmounts everything stacked on the target and verifies that nothing is
  // left. Never MNT_DETACH. A target that is not mounted or not there is OK.
  // Unavailable when it is busy, also after short retries (< 1 s in all); what
  // is mounted below it is named.
  virtual absl::Status Unmount(const MountTarget& target) = 0;
};

}  // namespace oneagent

#endif  // OVERLAY_MOUNTER_H_
