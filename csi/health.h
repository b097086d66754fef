// The mounter's /healthz and /readyz.
//
// /healthz means what upstream's livenessprobe means by it: a CSI Probe over
// csi.sock, on a new connection, answered within a time limit. It depends on
// nothing else: a mounter whose index is broken still fails open.
// /readyz says whether the mounter serves as it should: `index` can be used,
// `volumes` are reconciled in this boot, `socket` is in its place, and, where
// the mounter registers itself, kubelet agreed to its `registration`.
#ifndef CSI_HEALTH_H_
#define CSI_HEALTH_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/http_listener.h"
#include "base/readiness.h"
#include "csi/chore_observer.h"

namespace oneagent {

class MounterHealth final : public ChoreObserver {
 public:
  MounterHealth(std::string socket_path, absl::Duration probe_timeout);

  // For the daemon's other conditions ("socket").
  Readiness& readiness() { return readiness_; }
  // Thread-safe; this must outlive who serves them.
  HttpPages Pages() const;

  void OnIndex(const absl::Status& usable) override;
  void OnReconciled(const absl::StatusOr<ReconcileResult>& result,
                    absl::Duration duration) override;
  void OnCollected(const absl::StatusOr<VolumeCollection>& result) override;

 private:
  const std::string socket_path_;
  const absl::Duration probe_timeout_;
  Readiness readiness_;
};

}  // namespace oneagent

#endif  // CSI_HEALTH_H_
