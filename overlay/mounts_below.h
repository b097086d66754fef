// What keeps a target busy: mounts below it, which a container with
// Bidirectional propagation leaves, or somebody's hand. Reads the mount table
// (36 ms at 4000 mounts), so it is for when unmounting has failed. Thread-safe.
#ifndef OVERLAY_MOUNTS_BELOW_H_
#define OVERLAY_MOUNTS_BELOW_H_

#include "absl/status/status.h"
#include "overlay/mounter.h"

namespace oneagent {

// `busy`, and behind it what is mounted below the target; as it is when nothing
// is, or it cannot be told.
absl::Status NameMountsBelow(const absl::Status& busy,
                             const MountTarget& target);

}  // namespace oneagent

#endif  // OVERLAY_MOUNTS_BELOW_H_
