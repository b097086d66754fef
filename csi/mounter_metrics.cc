#include "csi/mounter_metrics.h"

#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "base/process_metrics.h"
#include "base/status_macros.h"
#include "cache/index/cause.h"
#include "cache/index/rows.h"
#include "csi/publisher.h"

namespace oneagent {
namespace {

constexpr char kPublishes[] = "oneagent_csi_publish_total";
constexpr char kPublishSeconds[] = "oneagent_csi_publish_duration_seconds";
constexpr char kUnpublishes[] = "oneagent_csi_unpublish_total";
constexpr char kUnpublishSeconds[] = "oneagent_csi_unpublish_duration_seconds";
constexpr char kReconciles[] = "oneagent_csi_volume_reconciles_total";
constexpr char kReconcileSeconds[] =
    "oneagent_csi_volume_reconcile_duration_seconds";
constexpr char kReconciled[] = "oneagent_csi_reconciled_volumes_total";
constexpr char kCollections[] = "oneagent_csi_collections_total";
constexpr char kCollected[] = "oneagent_csi_collected_total";
constexpr char kCollectedBytes[] = "oneagent_csi_collected_bytes_total";
constexpr char kIndexRebuilds[] = "oneagent_csi_index_rebuilds_total";
constexpr char kMountApi[] = "oneagent_csi_mount_api";
constexpr char kDiskErrors[] = "oneagent_csi_data_disk_errors_total";

MetricLabel Causes() { return {.name = "cause", .values = CauseNames()}; }

MetricLabel PublishResults() {
  return {.name = "result",
          .values = {Name(PublishOutcome::kMounted),
                     Name(PublishOutcome::kAlreadyPublished),
                     Name(PublishOutcome::kEmpty), kCallFailed, kCallRefused,
                     kCallNotBegun}};
}

MetricLabel UnpublishResults() {
  return {.name = "result",
          .values = {"unpublished", kCallFailed, kCallRefused, kCallNotBegun}};
}

MetricTable CallTable() {
  return {
      {.name = kPublishes,
       .kind = MetricKind::kCounter,
       .help = "NodePublishVolume calls answered, by how and why; \"empty\" is "
               "a volume that was published without an agent",
       .labels = {PublishResults(), Causes()},
       .example = "sum by (cause) (rate(oneagent_csi_publish_total{result=~"
                  "\"failed|empty\"}[5m]))"},
      {.name = kPublishSeconds,
       .kind = MetricKind::kHistogram,
       .help = "Seconds from a NodePublishVolume call to its answer, waiting "
               "included",
       .labels = {PublishResults()},
       .buckets = CallBuckets(),
       .example = "histogram_quantile(0.99, sum by (le) "
                  "(rate(oneagent_csi_publish_duration_seconds_bucket[5m])))"},
      {.name = kUnpublishes,
       .kind = MetricKind::kCounter,
       .help = "NodeUnpublishVolume calls answered, by how and why",
       .labels = {UnpublishResults(), Causes()},
       .example =
           "increase(oneagent_csi_unpublish_total{cause=\"busy\"}[10m])"},
      {.name = kUnpublishSeconds,
       .kind = MetricKind::kHistogram,
       .help = "Seconds from a NodeUnpublishVolume call to its answer, waiting "
               "included",
       .labels = {UnpublishResults()},
       .buckets = CallBuckets()},
      {.name = kInFlightGauge,
       .kind = MetricKind::kGauge,
       .help = "Publishes, unpublishes and chores of single volumes at work "
               "now"},
      {.name = kWaitingGauge,
       .kind = MetricKind::kGauge,
       .help = "Those that wait for their turn now",
       .example = "oneagent_csi_operations_waiting > 50"},
  };
}

MetricTable VolumeTable() {
  return {
      {.name = kVolumesGauge,
       .kind = MetricKind::kGauge,
       .help = "Volumes on record, by state and mode",
       .labels = {{.name = "state",
                   .values = {Name(VolumeState::kWaiting),
                              Name(VolumeState::kMounting),
                              Name(VolumeState::kMounted),
                              Name(VolumeState::kEmpty)}},
                  {.name = "mode",
                   .values = {Name(VolumeMode::kApp),
                              Name(VolumeMode::kHost)}}},
       .example = "sum(oneagent_csi_volumes{state=\"waiting\"})"},
      {.name = kEmptyVolumesGauge,
       .kind = MetricKind::kGauge,
       .help = "Volumes whose pods were started without an agent, by why",
       .labels = {{.name = "reason", .values = CauseNames()}},
       .example = "sum by (reason) (oneagent_csi_empty_volumes) > 0"},
      {.name = kUnrecordedGauge,
       .kind = MetricKind::kGauge,
       .help = "Volumes that the index has not taken yet"},
      {.name = kAgentVolumesGauge,
       .kind = MetricKind::kGauge,
       .help = "Volumes that use an agent, by its version",
       .labels = {{.name = "version",
                   .bound = "versions that a volume uses; a version goes with "
                            "its last volume"}},
       .example = "sum by (version) (oneagent_csi_agent_volumes)"},
      {.name = kReferenceVersionsGauge,
       .kind = MetricKind::kGauge,
       .help = "As oneagent_csi_agent_volumes, under the reference driver's "
               "name",
       .labels = {{.name = "version", .bound = "as there"}},
       .reference = "volumes per agent version"},
      {.name = kCacheBytesGauge,
       .kind = MetricKind::kGauge,
       .help = "Bytes that the mounter's directories take, by kind: what pods "
               "wrote into volumes that kubelet asks about, storage of mode "
               "host, trash",
       .labels = {{.name = "kind", .values = {"volumes", "host", "trash"}}},
       .example = "sum by (kind) (oneagent_csi_cache_bytes)"},
      {.name = kCacheFilesGauge,
       .kind = MetricKind::kGauge,
       .help = "Files and directories in them, by kind",
       .labels = {{.name = "kind", .values = {"volumes", "host", "trash"}}}},
  };
}

MetricTable ChoreTable() {
  return {
      {.name = kReconciles,
       .kind = MetricKind::kCounter,
       .help = "Reconciles of volumes with the mount table",
       .labels = {{.name = "result", .values = {"ok", kCallFailed}}}},
      {.name = kReconcileSeconds,
       .kind = MetricKind::kHistogram,
       .help = "Seconds that a reconcile of volumes took",
       .buckets = CallBuckets()},
      {.name = kReconciled,
       .kind = MetricKind::kCounter,
       .help = "Volumes that reconciles met, by what became of them",
       .labels = {{.name = "outcome",
                   .values = {"mounted", "recovered", "waiting", "empty",
                              "rolled_back", "unknown"}}}},
      {.name = kCollections,
       .kind = MetricKind::kCounter,
       .help = "Collections of what nobody uses; \"in_doubt\": only trash was "
               "emptied, because it was not known what is in use",
       .labels = {{.name = "result",
                   .values = {"ok", kCallFailed, "in_doubt"}}},
       .example = "increase(oneagent_csi_collections_total{result="
                  "\"in_doubt\"}[1h]) > 10"},
      {.name = kCollected,
       .kind = MetricKind::kCounter,
       .help = "What the mounter collected: volumes whose pod is gone, host "
               "storage of deleted DynaKubes, trees deleted from its trash",
       .labels = {{.name = "kind",
                   .values = {"volume", "host_storage", "tree"}}}},
      {.name = kCollectedBytes,
       .kind = MetricKind::kCounter,
       .help = "Bytes freed by that"},
      {.name = kIndexRebuilds,
       .kind = MetricKind::kCounter,
       .help = "Times that this daemon made the index anew because it was lost "
               "or damaged",
       .example = "increase(oneagent_csi_index_rebuilds_total[1d]) > 0"},
      {.name = kIndexUsableGauge,
       .kind = MetricKind::kGauge,
       .help = "1 while the index can be used, else 0: then gauges of volumes "
               "and agents are what they were before",
       .example = "oneagent_csi_index_usable == 0"},
      {.name = kMountApi,
       .kind = MetricKind::kGauge,
       .help =
           "1 for the way in which this kernel is given overlays; all are 0 "
           "where none works",
       .labels = {{.name = "api",
                   .values = {Name(MountApi::kLayerFds),
                              Name(MountApi::kLayerStrings),
                              Name(MountApi::kLegacy)}}},
       .example = "sum(oneagent_csi_mount_api) == 0"},
      {.name = kDiskErrors,
       .kind = MetricKind::kCounter,
       .help = "Volumes whose mount met an unreported write error of the data "
               "directory's file system: \"cleared\" by a syncfs, or "
               "\"not_volatile\", so that their umount syncs the whole disk",
       .labels = {{.name = "outcome", .values = {"cleared", "not_volatile"}}},
       .example = "increase(oneagent_csi_data_disk_errors_total[1h]) > 0"},
      {.name = kReferenceMemoryGauge,
       .kind = MetricKind::kGauge,
       .help = "As process_resident_memory_bytes, under the reference driver's "
               "name",
       .reference = "memory of the CSI driver"},
  };
}

void Answered(Metrics& metrics, const char* total, const char* seconds,
              const std::string& result, Cause cause, absl::Duration duration) {
  metrics.Add(total, {result, Name(cause)});
  metrics.Observe(seconds, {result}, absl::ToDoubleSeconds(duration));
}

}  // namespace

MetricTable MounterMetricTable() {
  MetricTable table;
  for (MetricTable part :
       {CallTable(), VolumeTable(), ChoreTable(), ProcessMetricTable()}) {
    for (MetricInfo& info : part) table.push_back(std::move(info));
  }
  return table;
}

absl::StatusOr<std::unique_ptr<MounterMetrics>> MounterMetrics::Create() {
  ASSIGN_OR_RETURN(auto metrics, Metrics::Create(MounterMetricTable()));
  SetProcessMetrics(*metrics);
  return absl::WrapUnique(new MounterMetrics(std::move(metrics)));
}

void MounterMetrics::OnPublish(const std::string& result, Cause cause,
                               absl::Duration duration) {
  Answered(*metrics_, kPublishes, kPublishSeconds, result, cause, duration);
}

void MounterMetrics::OnUnpublish(const std::string& result, Cause cause,
                                 absl::Duration duration) {
  Answered(*metrics_, kUnpublishes, kUnpublishSeconds, result, cause, duration);
}

void MounterMetrics::OnIndexRebuilt() { metrics_->Add(kIndexRebuilds); }

void MounterMetrics::OnMountWay(const MountWay& way) {
  for (const MountApi api : kMountApis) {
    metrics_->Set(kMountApi, {Name(api)}, way.works && api == way.api ? 1 : 0);
  }
}

void MounterMetrics::OnDiskError(const DiskError& error) {
  metrics_->Add(kDiskErrors, {error.cleared ? "cleared" : "not_volatile"});
}

void MounterMetrics::OnIndex(const absl::Status& usable) {
  metrics_->Set(kIndexUsableGauge, {}, usable.ok() ? 1 : 0);
}

void MounterMetrics::OnReconciled(const absl::StatusOr<ReconcileResult>& result,
                                  absl::Duration duration) {
  metrics_->Add(kReconciles, {result.ok() ? "ok" : kCallFailed});
  metrics_->Observe(kReconcileSeconds, {}, absl::ToDoubleSeconds(duration));
  if (!result.ok()) return;
  const std::pair<const char*, int64_t> outcomes[] = {
      {"mounted", result->mounted},         {"recovered", result->recovered},
      {"waiting", result->waiting},         {"empty", result->empty},
      {"rolled_back", result->rolled_back}, {"unknown", result->unknown}};
  for (const auto& [outcome, count] : outcomes) {
    metrics_->Add(kReconciled, {outcome}, static_cast<double>(count));
  }
}

void MounterMetrics::OnCollected(
    const absl::StatusOr<VolumeCollection>& result) {
  metrics_->Add(kCollections, {!result.ok()       ? kCallFailed
                               : result->in_doubt ? "in_doubt"
                                                  : "ok"});
  if (!result.ok()) return;
  metrics_->Add(kCollected, {"volume"}, static_cast<double>(result->volumes));
  metrics_->Add(kCollected, {"host_storage"},
                static_cast<double>(result->host_storages));
  metrics_->Add(kCollected, {"tree"}, static_cast<double>(result->trees));
  metrics_->Add(kCollectedBytes, {}, static_cast<double>(result->bytes));
}

}  // namespace oneagent
