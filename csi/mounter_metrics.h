// What the mounter counts, and its table of metrics. What is only looked at
// when somebody asks (rows of the index, queues, disk) is mounter_gauges.h.
// Thread-safe.
#ifndef CSI_MOUNTER_METRICS_H_
#define CSI_MOUNTER_METRICS_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/metrics.h"
#include "cache/index/cause.h"
#include "csi/chore_observer.h"
#include "overlay/kernel_mounter.h"
#include "overlay/mount_probe.h"

namespace oneagent {

// How a call ended, in the words of the metrics.
inline constexpr char kCallFailed[] = "failed";       // tried in vain
inline constexpr char kCallRefused[] = "refused";     // malformed
inline constexpr char kCallNotBegun[] = "not_begun";  // no turn in time

// Names of the gauges that mounter_gauges.cc fills.
inline constexpr char kVolumesGauge[] = "oneagent_csi_volumes";
inline constexpr char kEmptyVolumesGauge[] = "oneagent_csi_empty_volumes";
inline constexpr char kUnrecordedGauge[] = "oneagent_csi_unrecorded_volumes";
inline constexpr char kAgentVolumesGauge[] = "oneagent_csi_agent_volumes";
inline constexpr char kInFlightGauge[] = "oneagent_csi_operations_in_flight";
inline constexpr char kWaitingGauge[] = "oneagent_csi_operations_waiting";
inline constexpr char kCacheBytesGauge[] = "oneagent_csi_cache_bytes";
inline constexpr char kCacheFilesGauge[] = "oneagent_csi_cache_files";
inline constexpr char kIndexUsableGauge[] = "oneagent_csi_index_usable";
inline constexpr char kReferenceMemoryGauge[] =
    "dynatrace_csi_driver_memory_usage";
inline constexpr char kReferenceVersionsGauge[] =
    "dynatrace_csi_driver_agent_versions";

// Every metric of the mounter.
MetricTable MounterMetricTable();

class MounterMetrics final : public ChoreObserver {
 public:
  // Internal when the table is wrong.
  static absl::StatusOr<std::unique_ptr<MounterMetrics>> Create();

  Metrics& metrics() { return *metrics_; }

  // `result`: the outcome of a call that did something ("mounted",
  // "unpublished"), or one of the words above. `cause`: why it is not what was
  // asked for.
  void OnPublish(const std::string& result, Cause cause,
                 absl::Duration duration);
  void OnUnpublish(const std::string& result, Cause cause,
                   absl::Duration duration);
  void OnIndexRebuilt();
  void OnMountWay(const MountWay& way);
  void OnDiskError(const DiskError& error);

  void OnIndex(const absl::Status& usable) override;
  void OnReconciled(const absl::StatusOr<ReconcileResult>& result,
                    absl::Duration duration) override;
  void OnCollected(const absl::StatusOr<VolumeCollection>& result) override;

 private:
  explicit MounterMetrics(std::unique_ptr<Metrics> metrics)
      : metrics_(std::move(metrics)) {}

  const std::unique_ptr<Metrics> metrics_;
};

}  // namespace oneagent

#endif  // CSI_MOUNTER_METRICS_H_
