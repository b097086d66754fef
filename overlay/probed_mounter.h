// The Mounter of the daemon: mounts by the way that a probe found, and does not
// lose the node to a wrong guess. When that way refuses an overlay for a reason
// that is not its layers', the next one is tried; if it works, it is taken from
// then on and the probe is asked again. Thread-safe.
#ifndef OVERLAY_PROBED_MOUNTER_H_
#define OVERLAY_PROBED_MOUNTER_H_

#include <array>
#include <functional>
#include <iterator>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "overlay/kernel_mounter.h"
#include "overlay/mount_probe.h"
#include "overlay/mounter.h"

namespace oneagent {

class ProbedMounter final : public Mounter {
 public:
  struct Options {
    std::function<absl::StatusOr<MountWay>()> probe;
    // Called when another way is taken, works again or works no longer, from
    // whichever thread found it out. May be empty.
    std::function<void(const MountWay&)> on_way = {};
    std::function<void(const DiskError&)> on_disk_error = {};
    // How long after a probe that found no way the next one is asked.
    absl::Duration pause = absl::Seconds(5);
  };
  // `way`: what the probe answered first.
  ProbedMounter(MountWay way, Options options);

  MountWay way() const;

  // Probes again if that is due. For one thread.
  void RunOnce(absl::Time now);

  absl::Status MountOverlay(const OverlayPlan& plan,
                            const MountTarget& target) override;
  absl::Status MountEmpty(const EmptyVolume& volume,
                          const MountTarget& target) override;
  absl::Status BindStorage(const std::string& storage, bool read_only,
                           const MountTarget& target) override;
  absl::StatusOr<bool> IsMounted(const MountTarget& target) override;
  absl::Status Unmount(const MountTarget& target) override;

 private:
  using MountBy = std::function<absl::Status(KernelMounter&)>;
  KernelMounter& By(MountApi api) { return ways_[static_cast<size_t>(api)]; }
  // By the ways after `first`, which answered `refused`: the one that worked.
  absl::StatusOr<MountWay> TryOthers(MountApi first,
                                     const absl::Status& refused,
                                     const MountBy& mount);
  void Take(const MountWay& way);

  const Options options_;
  std::array<KernelMounter, std::size(kMountApis)> ways_;
  mutable Mutex mu_;
  MountWay way_ ABSL_GUARDED_BY(mu_);
  // The probe calls them good, but a publish could not use them.
  std::set<MountApi> distrusted_ ABSL_GUARDED_BY(mu_);
  bool probe_wanted_ ABSL_GUARDED_BY(mu_) = false;
  absl::Time next_probe_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
};

}  // namespace oneagent

#endif  // OVERLAY_PROBED_MOUNTER_H_
