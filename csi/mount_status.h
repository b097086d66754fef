// What is known of mounting on this node: by which way, why not by another, and
// what its disk had to say. Tells the log, the metrics, /readyz, and through
// mounter.json doctor, when it changes. Thread-safe.
#ifndef CSI_MOUNT_STATUS_H_
#define CSI_MOUNT_STATUS_H_

#include <string>

#include "base/log.h"
#include "base/mutex.h"
#include "base/readiness.h"
#include "cache/index/layout.h"
#include "cache/index/records.h"
#include "csi/mounter_metrics.h"
#include "overlay/kernel_mounter.h"
#include "overlay/mount_probe.h"

namespace oneagent {

class MountStatus {
 public:
  struct Parts {  // borrowed; must outlive this
    const Log& log;
    MounterMetrics& metrics;
    Readiness& readiness;
  };
  MountStatus(Layout layout, std::string boot_id, Parts parts);

  void OnWay(const MountWay& way);
  void OnDiskError(const DiskError& error);

  // Writes mounter.json if what it says is not what is known: at once when
  // something changes, and again by each call after a disk took it not, or
  // somebody deleted it.
  void RunOnce();

 private:
  const Layout layout_;
  const Parts parts_;
  Mutex mu_;
  MounterState known_ ABSL_GUARDED_BY(mu_);
  bool is_written_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace oneagent

#endif  // CSI_MOUNT_STATUS_H_
