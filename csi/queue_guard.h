// VolumeGuard by the queue that publish and unpublish wait in: housekeeping of
// a volume takes its turn like a call for it, and one worker while it works.
#ifndef CSI_QUEUE_GUARD_H_
#define CSI_QUEUE_GUARD_H_

#include "absl/time/time.h"
#include "csi/volume_guard.h"
#include "csi/work_queue.h"

namespace oneagent {

// The guard answers false when the work's turn did not come within `patience`
// or the queue is draining. `queue` is borrowed and must outlive the guard.
// Must not be called from a worker of that queue (one worker would wait for
// itself).
VolumeGuard GuardByQueue(WorkQueue& queue, absl::Duration patience);

}  // namespace oneagent

#endif  // CSI_QUEUE_GUARD_H_
