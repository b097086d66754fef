// The directories of an agent that containers mount something over or into:
// kubelet and the container runtime cannot make them in a volume that is
// read-only, and without them the container would never start. Thread-safe.
#ifndef OVERLAY_MOUNT_POINTS_H_
#define OVERLAY_MOUNT_POINTS_H_

#include <string>

#include "absl/status/status.h"

namespace oneagent {

// Makes agent/conf, agent/lib64, datastorage (0755) and log (1777) in the
// directory `root`; what is there already and right is not touched. Errors: as
// EnsureDirectory.
absl::Status MakeMountPoints(const std::string& root);

}  // namespace oneagent

#endif  // OVERLAY_MOUNT_POINTS_H_
