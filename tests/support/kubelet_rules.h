// The rules by which kubelet judges an answer of a CSI driver and waits before
// it asks again. Pure; the simulator applies them.
#ifndef TESTS_SUPPORT_KUBELET_RULES_H_
#define TESTS_SUPPORT_KUBELET_RULES_H_

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace oneagent {

enum class CallVerdict {
  kDone,
  // Nothing was asked of the driver yet, or nothing that could have changed
  // anything: kubelet knows as much as before (TransientOperationFailure).
  kTransient,
  // The volume may be mounted or not; kubelet remembers it, goes on publishing
  // while the pod wants it and unpublishes afterwards (UncertainProgressError).
  kUncertain,
  // Surely not mounted: kubelet removes what it made, and if the pod goes away
  // it never calls unpublish.
  kFinal,
};

// What NodePublishVolume's answer means (pkg/volume/csi/csi_client.go,
// isFinalError): CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE, RESOURCE_EXHAUSTED
// and ABORTED are uncertain, every other error is final.
CallVerdict JudgePublish(const absl::Status& answer);

// Waits between failures of one operation: 500 ms, doubled by each further one
// up to 2 min 2 s (pkg/util/goroutinemap/exponentialbackoff). No jitter.
class KubeletBackoff {
 public:
  void Fail(absl::Time now);
  // False while the wait is not over; it is over after `next_try`, not at it.
  bool MayTry(absl::Time now) const { return now > next_try_; }
  // InfinitePast: nothing has failed.
  absl::Time next_try() const { return next_try_; }

 private:
  absl::Duration wait_ = absl::ZeroDuration();
  absl::Time next_try_ = absl::InfinitePast();
};

}  // namespace oneagent

#endif  // TESTS_SUPPORT_KUBELET_RULES_H_
