// What of the kernel nothing stands in for. Least kernels and stand-ins of all
// that is asked of it: DESIGN.md, "What is asked of the kernel".
#ifndef OVERLAY_KERNEL_FEATURES_H_
#define OVERLAY_KERNEL_FEATURES_H_

#include "absl/status/status.h"

namespace oneagent {

// Asks the running kernel, never its version: distributions take features back
// into old ones. Unimplemented, in one sentence that names the kernel and what
// it lacks: nothing could be published, nor unpublished.
absl::Status CheckKernel();

}  // namespace oneagent

#endif  // OVERLAY_KERNEL_FEATURES_H_
