// The directories that a mount is made of, held open. Internal to this folder.
#ifndef OVERLAY_LAYER_H_
#define OVERLAY_LAYER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "overlay/layer_stack.h"

namespace oneagent {

struct OpenLayers {
  std::vector<UniqueFd> lower;  // as in the plan
  UniqueFd upper;               // not ok() in a read-only overlay
  UniqueFd work;
};

// O_PATH: nothing is read. A path with ".." or with a symlink in any component
// is refused (Internal): whoever may write rows and rename directories in the
// cache cannot have another directory shown. Other errors: PosixStatus naming
// `noun` and path.
absl::StatusOr<UniqueFd> OpenLayer(absl::string_view noun,
                                   const std::string& path);

absl::StatusOr<OpenLayers> OpenAllLayers(const OverlayPlan& plan);

// Whether the overlay whose root is open as `root_fd` can be written to.
// Overlayfs mounts read-only, with a line in the kernel's log alone, when the
// disk is full just as it makes its work directory, or cannot hold an upper
// layer. ResourceExhausted: the disk is full; FailedPrecondition: it is not.
absl::Status CheckWritable(int root_fd);

}  // namespace oneagent

#endif  // OVERLAY_LAYER_H_
