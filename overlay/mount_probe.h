// Which way of mounting overlays works on this kernel and this disk, found by
// mounting. A way counts when what publish builds was built by it, read-write
// (volatile, upper and work on the disk) and read-only, and when its layers
// could be read, and the upper one written, through it. Whatever else a kernel
// answers speaks against the way.
#ifndef OVERLAY_MOUNT_PROBE_H_
#define OVERLAY_MOUNT_PROBE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "overlay/kernel_mounter.h"

namespace oneagent {

struct WayAnswer {
  MountApi api = MountApi::kLegacy;
  absl::Status status;  // not OK: why the way cannot be taken
};

struct MountWay {
  // The first that works; the best guess where none does.
  MountApi api = MountApi::kLegacy;
  bool works = false;
  std::vector<WayAnswer> refused;  // in the order tried, those before `api`

  // OK when a way works, else FailedPrecondition with every answer.
  absl::Status AsStatus() const;
};

// "layer-fds: <why>; layer-strings: <why>".
std::string AnswersText(const std::vector<WayAnswer>& answers);

// Tries the ways, best first, in the directory `scratch`, which is made on the
// data directory's disk and deleted, also one that an earlier probe left.
// Nothing of it becomes visible: the overlays are detached, those of mount(2)
// in a mount namespace of a thread's own. A disk that takes no directories now
// makes the answer a guess, from a read-only overlay of the two existing
// directories `lower` and `other`. PermissionDenied without CAP_SYS_ADMIN.
absl::StatusOr<MountWay> ProbeMounts(const std::string& scratch,
                                     const std::string& lower,
                                     const std::string& other);

}  // namespace oneagent

#endif  // OVERLAY_MOUNT_PROBE_H_
