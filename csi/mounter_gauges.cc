#include "csi/mounter_gauges.h"

#include <cstdint>
#include <map>
#include <utility>

#include "absl/status/statusor.h"
#include "base/process_metrics.h"
#include "base/status_macros.h"
#include "base/tree_usage.h"
#include "csi/mounter_metrics.h"

namespace oneagent {
namespace {

// Of one directory; a second's work on a slow disk.
constexpr int64_t kMostEntries = 200'000;

using Series = std::map<Metrics::Values, double>;

}  // namespace

MounterGauges::MounterGauges(Layout layout, Parts parts)
    : layout_(std::move(layout)), parts_(parts), index_(layout_.data_dir()) {}

HttpPages MounterGauges::Pages() {
  return {{"/metrics", [this] {
             return HttpPage{.body = Render(),
                             .content_type = kMetricsContentType};
           }}};
}

std::string MounterGauges::Render() {
  Metrics& metrics = parts_.metrics;
  RefreshProcessMetrics(layout_.data_dir(), metrics);
  metrics.Set(kReferenceMemoryGauge, {}, ResidentBytes());
  metrics.Set(kInFlightGauge, {},
              static_cast<double>(parts_.volume_queue.running()));
  metrics.Set(kWaitingGauge, {},
              static_cast<double>(parts_.volume_queue.waiting()));
  metrics.Set(kUnrecordedGauge, {},
              static_cast<double>(parts_.book.ListUnrecorded().size()));
  const TreeUsage written = parts_.stats.Total();
  metrics.Set(kCacheBytesGauge, {"volumes"},
              static_cast<double>(written.bytes));
  metrics.Set(kCacheFilesGauge, {"volumes"},
              static_cast<double>(written.inodes));
  // Housekeeping looks each second whether the index can be used, and says so.
  (void)RefreshFromIndex();
  return metrics.Render();
}

absl::Status MounterGauges::RefreshFromIndex() {
  ASSIGN_OR_RETURN(Index* const index, index_.Get());
  ASSIGN_OR_RETURN(const std::vector<VolumeRow> volumes, index->ListVolumes());
  ShowVolumes(volumes);
  ASSIGN_OR_RETURN(const std::vector<AgentRow> agents, index->ListAgents());
  ShowAgents(agents);
  return absl::OkStatus();
}

void MounterGauges::ShowVolumes(const std::vector<VolumeRow>& volumes) {
  Series by_state;
  for (const VolumeState state : {VolumeState::kWaiting, VolumeState::kMounting,
                                  VolumeState::kMounted, VolumeState::kEmpty}) {
    for (const VolumeMode mode : {VolumeMode::kApp, VolumeMode::kHost}) {
      by_state[{Name(state), Name(mode)}] = 0;
    }
  }
  Series empty;
  for (const VolumeRow& volume : volumes) {
    ++by_state[{Name(volume.state), Name(volume.mode)}];
    if (volume.state == VolumeState::kEmpty) {
      ++empty[{Name(volume.cause)}];
    }
  }
  parts_.metrics.SetAll(kVolumesGauge, by_state);
  parts_.metrics.SetAll(kEmptyVolumesGauge, empty);
}

void MounterGauges::ShowAgents(const std::vector<AgentRow>& agents) {
  Series by_version;
  for (const AgentRow& agent : agents) {
    if (agent.leases == 0) continue;
    by_version[{agent.version}] += static_cast<double>(agent.leases);
  }
  parts_.metrics.SetAll(kAgentVolumesGauge, by_version);
  parts_.metrics.SetAll(kReferenceVersionsGauge, by_version);
}

void MounterGauges::MeasureOnce() {
  Measure("host", layout_.HostDir());
  Measure("trash", layout_.TrashVolumes());
}

void MounterGauges::Measure(const std::string& kind,
                            const std::string& directory) {
  const absl::StatusOr<TreeUsage> usage = CountTree(directory, kMostEntries);
  if (!usage.ok()) return;
  parts_.metrics.Set(kCacheBytesGauge, {kind},
                     static_cast<double>(usage->bytes));
  parts_.metrics.Set(kCacheFilesGauge, {kind},
                     static_cast<double>(usage->inodes));
}

}  // namespace oneagent
