#include "cache/provisioner/provisioner_metrics.h"

#include <map>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "base/process_metrics.h"
#include "base/status_macros.h"
#include "base/tree_usage.h"
#include "cache/index/rows.h"

namespace oneagent {
namespace {

constexpr char kDynakubes[] = "oneagent_csi_dynakubes";
constexpr char kReconciles[] = "oneagent_csi_dynakube_reconciles_total";
constexpr char kReconcileSeconds[] =
    "oneagent_csi_dynakube_reconcile_duration_seconds";
constexpr char kLists[] = "oneagent_csi_dynakube_lists_total";
constexpr char kProblems[] = "oneagent_csi_dynakube_problems_total";
constexpr char kDownloads[] = "oneagent_csi_downloads_total";
constexpr char kDownloadBytes[] = "oneagent_csi_download_bytes_total";
constexpr char kDownloadSeconds[] = "oneagent_csi_download_duration_seconds";
constexpr char kInstalled[] = "oneagent_csi_agents_installed_total";
constexpr char kAgents[] = "oneagent_csi_agents";
constexpr char kCacheBytes[] = "oneagent_csi_cache_bytes";
constexpr char kCacheFiles[] = "oneagent_csi_cache_files";
constexpr char kCollections[] = "oneagent_csi_collections_total";
constexpr char kCollected[] = "oneagent_csi_collected_total";
constexpr char kCollectedBytes[] = "oneagent_csi_collected_bytes_total";
constexpr char kNotices[] = "oneagent_csi_empty_volume_notices_total";
constexpr char kIndexRebuilds[] = "oneagent_csi_index_rebuilds_total";
constexpr char kIndexUsable[] = "oneagent_csi_index_usable";
constexpr char kReferenceReclaimed[] = "dynatrace_csi_driver_gc_reclaimed";
constexpr char kReferenceFolders[] = "dynatrace_csi_driver_gc_folder_rmv";
constexpr char kReferenceRuns[] = "dynatrace_csi_driver_gc_runs";

constexpr char kOk[] = "ok";
constexpr char kFailed[] = "failed";
// Of staging and of the trash: some tens of milliseconds of a scrape.
constexpr int64_t kMostEntries = 50'000;

MetricLabel OkOrFailed() {
  return {.name = "result", .values = {kOk, kFailed}};
}

// Of a download, by the codes that Fetcher and DeploymentApi promise.
const char* DownloadCause(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return "none";
    case absl::StatusCode::kUnavailable:
      return absl::StrContains(status.message(), ": HTTP ") ? "server"
                                                            : "network";
    case absl::StatusCode::kDeadlineExceeded:
      return "timeout";
    case absl::StatusCode::kPermissionDenied:
      return "credentials";
    case absl::StatusCode::kNotFound:
      return "no_version";
    case absl::StatusCode::kResourceExhausted:
      return absl::StrContains(status.message(), "No space left") ? "disk"
                                                                  : "too_large";
    case absl::StatusCode::kInternal:
      return "disk";
    case absl::StatusCode::kCancelled:
      return "cancelled";
    default:
      return "other";
  }
}

MetricTable DynakubeTable() {
  return {
      {.name = kDynakubes,
       .kind = MetricKind::kGauge,
       .help = "DynaKubes by what the node has for them",
       .labels = {{.name = "state",
                   .values = {Name(TenantState::kReady),
                              Name(TenantState::kWaiting),
                              Name(TenantState::kFailed)}}},
       .example = "oneagent_csi_dynakubes{state=\"failed\"} > 0"},
      {.name = kReconciles,
       .kind = MetricKind::kCounter,
       .help =
           "Reconciles of DynaKubes by how they ended; \"pending\": another "
           "one installs the same agent",
       .labels =
           {{.name = "result",
             .values = {Name(TenantState::kReady), Name(TenantState::kWaiting),
                        Name(TenantState::kFailed), "pending", "cancelled"}}}},
      {.name = kReconcileSeconds,
       .kind = MetricKind::kHistogram,
       .help =
           "Seconds that a reconcile of a DynaKube took, downloads included",
       .buckets = {0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900}},
      {.name = kLists,
       .kind = MetricKind::kCounter,
       .help = "Times that the DynaKubes were listed",
       .labels = {OkOrFailed()},
       .example = "increase(oneagent_csi_dynakube_lists_total{result="
                  "\"failed\"}[10m]) > 0"},
      {.name = kProblems,
       .kind = MetricKind::kCounter,
       .help = "Objects that a list had to leave out, each counted once"},
      {.name = kNotices,
       .kind = MetricKind::kCounter,
       .help = "Volumes that were published without an agent, as the mounter "
               "told"},
  };
}

MetricTable AgentTable() {
  const MetricLabel kinds = {
      .name = "kind", .values = {"agents", "configs", "staging", "trash"}};
  return {
      {.name = kDownloads,
       .kind = MetricKind::kCounter,
       .help = "Downloads of agents, by how they ended and why",
       .labels = {OkOrFailed(),
                  {.name = "cause",
                   .values = {"none", "network", "server", "timeout",
                              "credentials", "no_version", "disk", "too_large",
                              "cancelled", "other"}}},
       .example = "sum by (cause) (increase(oneagent_csi_downloads_total"
                  "{result=\"failed\"}[1h]))"},
      {.name = kDownloadBytes,
       .kind = MetricKind::kCounter,
       .help = "Bytes of the archives that were downloaded whole"},
      {.name = kDownloadSeconds,
       .kind = MetricKind::kHistogram,
       .help = "Seconds that a download took, attempts and waits included",
       .labels = {OkOrFailed()},
       .buckets = {0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 900}},
      {.name = kInstalled,
       .kind = MetricKind::kCounter,
       .help = "Agents that were brought to this node"},
      {.name = kAgents,
       .kind = MetricKind::kGauge,
       .help = "Agents on record; \"missing\": its tree is gone",
       .labels = {{.name = "state",
                   .values = {Name(TreeState::kReady),
                              Name(TreeState::kMissing)}}},
       .example = "oneagent_csi_agents{state=\"missing\"} > 0"},
      {.name = kCacheBytes,
       .kind = MetricKind::kGauge,
       .help = "Bytes that the provisioner's directories take, by kind",
       .labels = {kinds},
       .example = "sum(oneagent_csi_cache_bytes)"},
      {.name = kCacheFiles,
       .kind = MetricKind::kGauge,
       .help = "Files in them, by kind",
       .labels = {kinds}},
  };
}

MetricTable CollectionTable() {
  return {
      {.name = kCollections,
       .kind = MetricKind::kCounter,
       .help = "Collections of what nobody uses; \"in_doubt\": only trash was "
               "emptied, because it was not known what is in use",
       .labels = {{.name = "result", .values = {kOk, kFailed, "in_doubt"}}},
       .example = "increase(oneagent_csi_collections_total{result=\"ok\"}[1h]) "
                  "== 0"},
      {.name = kCollected,
       .kind = MetricKind::kCounter,
       .help = "What the provisioner collected, by kind",
       .labels = {{.name = "kind", .values = {"agent", "config", "tenant"}}}},
      {.name = kCollectedBytes,
       .kind = MetricKind::kCounter,
       .help = "Bytes freed by that"},
      {.name = kIndexRebuilds,
       .kind = MetricKind::kCounter,
       .help = "Times that this daemon made the index anew because it was lost "
               "or damaged",
       .example = "increase(oneagent_csi_index_rebuilds_total[1d]) > 0"},
      {.name = kIndexUsable,
       .kind = MetricKind::kGauge,
       .help =
           "1 while the index can be used, else 0: then gauges of DynaKubes "
           "and agents are what they were before",
       .example = "oneagent_csi_index_usable == 0"},
      {.name = kReferenceReclaimed,
       .kind = MetricKind::kCounter,
       .help = "As oneagent_csi_collected_bytes_total, under the reference "
               "driver's name",
       .reference = "bytes that garbage collection freed"},
      {.name = kReferenceFolders,
       .kind = MetricKind::kCounter,
       .help = "Agents and configurations collected, under the reference "
               "driver's name",
       .reference = "folders that garbage collection removed"},
      {.name = kReferenceRuns,
       .kind = MetricKind::kCounter,
       .help = "Collections that were not in doubt, under the reference "
               "driver's name",
       .reference = "runs of garbage collection"},
  };
}

}  // namespace

MetricTable ProvisionerMetricTable() {
  MetricTable table;
  for (MetricTable part : {DynakubeTable(), AgentTable(), CollectionTable(),
                           ProcessMetricTable()}) {
    for (MetricInfo& info : part) table.push_back(std::move(info));
  }
  return table;
}

absl::StatusOr<std::unique_ptr<ProvisionerMetrics>> ProvisionerMetrics::Create(
    const std::string& data_dir) {
  ASSIGN_OR_RETURN(auto metrics, Metrics::Create(ProvisionerMetricTable()));
  SetProcessMetrics(*metrics);
  return absl::WrapUnique(new ProvisionerMetrics(data_dir, std::move(metrics)));
}

HttpPages ProvisionerMetrics::Pages() {
  return {{"/metrics", [this] {
             return HttpPage{.body = Render(),
                             .content_type = kMetricsContentType};
           }}};
}

void ProvisionerMetrics::OnTurn(const absl::Status& index) {
  metrics_->Set(kIndexUsable, {}, index.ok() ? 1 : 0);
}

void ProvisionerMetrics::OnListed(const absl::Status& status) {
  metrics_->Add(kLists, {status.ok() ? kOk : kFailed});
}

void ProvisionerMetrics::OnDownloaded(const DownloadReport& report) {
  const char* const result = report.status.ok() ? kOk : kFailed;
  metrics_->Add(kDownloads, {result, DownloadCause(report.status)});
  metrics_->Observe(kDownloadSeconds, {result},
                    absl::ToDoubleSeconds(report.duration));
  metrics_->Add(kDownloadBytes, {}, static_cast<double>(report.bytes));
}

void ProvisionerMetrics::OnReconciled(const ReconcileReport& report) {
  metrics_->Add(kReconciles, {report.cancelled || report.outdated ? "cancelled"
                              : report.pending                    ? "pending"
                                               : Name(report.row.state)});
  metrics_->Observe(kReconcileSeconds, {},
                    absl::ToDoubleSeconds(report.duration));
  if (report.installed) metrics_->Add(kInstalled);
}

void ProvisionerMetrics::OnProblem(const SourceProblem& /*problem*/) {
  metrics_->Add(kProblems);
}

void ProvisionerMetrics::OnCollected(const CollectionResult& result) {
  metrics_->Add(kCollections, {result.skipped.empty() ? kOk : "in_doubt"});
  const auto agents = static_cast<double>(result.agents.size());
  const auto configs = static_cast<double>(result.configs.size());
  metrics_->Add(kCollected, {"agent"}, agents);
  metrics_->Add(kCollected, {"config"}, configs);
  metrics_->Add(kCollected, {"tenant"},
                static_cast<double>(result.tenants.size()));
  metrics_->Add(kCollectedBytes, {}, static_cast<double>(result.bytes));
  metrics_->Add(kReferenceReclaimed, {}, static_cast<double>(result.bytes));
  metrics_->Add(kReferenceFolders, {}, agents + configs);
  if (result.skipped.empty()) metrics_->Add(kReferenceRuns);
}

void ProvisionerMetrics::OnCollectionFailed(const absl::Status& /*status*/) {
  metrics_->Add(kCollections, {kFailed});
}

void ProvisionerMetrics::OnNotice(const NoticeRow& /*notice*/) {
  metrics_->Add(kNotices);
}

void ProvisionerMetrics::OnIndexRebuilt(absl::string_view /*set_aside*/,
                                        absl::string_view /*cause*/) {
  metrics_->Add(kIndexRebuilds);
}

std::string ProvisionerMetrics::Render() {
  RefreshProcessMetrics(layout_.data_dir(), *metrics_);
  Measure("staging", layout_.StagingDir());
  Measure("trash", layout_.TrashAgents());
  // The loop looks each second whether the index can be used, and says so.
  (void)RefreshFromIndex();
  return metrics_->Render();
}

absl::Status ProvisionerMetrics::RefreshFromIndex() {
  ASSIGN_OR_RETURN(Index* const index, index_.Get());
  ASSIGN_OR_RETURN(const std::vector<TenantRow> tenants, index->ListTenants());
  std::map<Metrics::Values, double> by_state;
  for (const TenantRow& tenant : tenants) {
    if (tenant.deleted_at == absl::InfinitePast()) {
      ++by_state[{Name(tenant.state)}];
    }
  }
  metrics_->SetAll(kDynakubes, by_state);
  ASSIGN_OR_RETURN(const std::vector<AgentRow> agents, index->ListAgents());
  std::map<Metrics::Values, double> by_tree;
  double bytes = 0;
  double files = 0;
  for (const AgentRow& agent : agents) {
    ++by_tree[{Name(agent.state)}];
    if (agent.state != TreeState::kReady) continue;
    bytes += static_cast<double>(agent.bytes);
    files += static_cast<double>(agent.files);
  }
  metrics_->SetAll(kAgents, by_tree);
  SetUsage("agents", bytes, files);
  ASSIGN_OR_RETURN(const std::vector<ConfigRow> configs, index->ListConfigs());
  bytes = 0;
  files = 0;
  for (const ConfigRow& config : configs) {
    bytes += static_cast<double>(config.bytes);
    files += static_cast<double>(config.files);
  }
  SetUsage("configs", bytes, files);
  return absl::OkStatus();
}

void ProvisionerMetrics::Measure(const std::string& kind,
                                 const std::string& directory) {
  const absl::StatusOr<TreeUsage> usage = CountTree(directory, kMostEntries);
  if (!usage.ok()) return;
  SetUsage(kind, static_cast<double>(usage->bytes),
           static_cast<double>(usage->inodes));
}

void ProvisionerMetrics::SetUsage(const std::string& kind, double bytes,
                                  double files) {
  metrics_->Set(kCacheBytes, {kind}, bytes);
  metrics_->Set(kCacheFiles, {kind}, files);
}

}  // namespace oneagent
