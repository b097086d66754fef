// gc --dry-run|--now.
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/boot_id.h"
#include "base/status_macros.h"
#include "cache/collect/collector.h"
#include "cache/inspect/json_output.h"
#include "cache/inspect/verbs.h"
#include "cache/store/store.h"
#include "proto/inspect.pb.h"

namespace oneagent {
namespace {

constexpr char kNotReconciled[] =
    "nothing is collected: the mounter has not reconciled the index in this "
    "boot (start the mounter)";

CollectionLimits LimitsOf(const Invocation& it) {
  return {.grace_period = it.grace_period,
          .keep_versions = it.keep_versions,
          .trash_age = absl::ZeroDuration()};
}

// Bytes of the rows that are named.
template <typename Row>
double BytesOf(const std::vector<std::string>& ids,
               const std::vector<Row>& rows) {
  double bytes = 0;
  for (const std::string& id : ids) {
    for (const Row& row : rows) {
      if (row.id == id) bytes += static_cast<double>(row.bytes);
    }
  }
  return bytes;
}

template <typename Removed>
v1::CollectionReport ReportOf(const Removed& removed) {
  v1::CollectionReport report;
  for (const std::string& id : removed.agents) {
    report.add_agents(ValidUtf8(id));
  }
  for (const std::string& id : removed.configs) {
    report.add_configs(ValidUtf8(id));
  }
  for (const std::string& id : removed.tenants) {
    report.add_tenants(ValidUtf8(id));
  }
  return report;
}

absl::StatusOr<v1::CollectionReport> DryRun(const Invocation& it,
                                            const Console& console) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Index> index,
                   OpenForReading(it.data_dir));
  ASSIGN_OR_RETURN(const std::string boot_id, ReadBootId());
  ASSIGN_OR_RETURN(const std::string reconciled, index->ReconciledBootId());
  ASSIGN_OR_RETURN(const std::vector<AgentRow> agents, index->ListAgents());
  ASSIGN_OR_RETURN(const std::vector<ConfigRow> configs, index->ListConfigs());
  ASSIGN_OR_RETURN(const std::vector<TenantRow> tenants, index->ListTenants());
  ASSIGN_OR_RETURN(const std::vector<VolumeRow> volumes, index->ListVolumes());
  const CollectionPlan plan = PlanCollection(agents, configs, tenants, volumes,
                                             LimitsOf(it), console.clock.Now());
  v1::CollectionReport report = ReportOf(plan);
  report.set_dry_run(true);
  report.set_bytes(BytesOf(plan.agents, agents) +
                   BytesOf(plan.configs, configs));
  if (reconciled != boot_id) report.set_skipped(kNotReconciled);
  return report;
}

absl::StatusOr<v1::CollectionReport> CollectNow(const Invocation& it,
                                                const Console& console) {
  if (geteuid() != 0) {
    return absl::PermissionDeniedError(
        "gc --now wants root: the trees belong to the provisioner");
  }
  ASSIGN_OR_RETURN(const std::string boot_id, ReadBootId());
  {
    // Only a healthy index is opened for writing: it is for the daemons to
    // make or replace one.
    ASSIGN_OR_RETURN(const std::unique_ptr<Index> healthy,
                     OpenForReading(it.data_dir));
    ASSIGN_OR_RETURN(const std::string reconciled, healthy->ReconciledBootId());
    if (reconciled != boot_id) {
      return absl::FailedPreconditionError(kNotReconciled);
    }
  }
  ASSIGN_OR_RETURN(
      const std::unique_ptr<Index> index,
      Index::Open({.data_dir = it.data_dir, .on_rebuilt = nullptr}));
  Store store(Layout(it.data_dir), *index, console.clock, boot_id);
  Collector collector(store, *index, console.clock, boot_id, LimitsOf(it));
  // The tenants' rows are those of the provisioner's last successful listing:
  // one that failed marks nothing as deleted.
  ASSIGN_OR_RETURN(const CollectionResult result,
                   collector.RunOnce(/*tenants_known=*/true));
  v1::CollectionReport report = ReportOf(result);
  report.set_bytes(static_cast<double>(result.bytes));
  report.set_skipped(ValidUtf8(result.skipped));
  return report;
}

void PrintText(const v1::CollectionReport& report, const Console& console) {
  Table table({{report.dry_run() ? "WOULD REMOVE" : "REMOVED"}, {"ID"}});
  for (const std::string& id : report.agents()) table.AddRow({{"agent"}, {id}});
  for (const std::string& id : report.configs()) {
    table.AddRow({{"config"}, {id}});
  }
  for (const std::string& id : report.tenants()) {
    table.AddRow({{"tenant"}, {id}});
  }
  const bool any =
      report.agents_size() + report.configs_size() + report.tenants_size() > 0;
  if (any) console.out << table.Format(console.paint);
  if (!any) console.out << "nothing to collect\n";
  console.out << (report.dry_run() ? "would free " : "freed ")
              << HumanBytes(static_cast<int64_t>(report.bytes())) << "\n";
  if (!report.skipped().empty()) {
    console.out << TerminalText(report.skipped()) << "\n";
  }
}

}  // namespace

VerbResult RunGc(const Invocation& it, const Console& console) {
  ASSIGN_OR_RETURN(const v1::CollectionReport report,
                   it.dry_run ? DryRun(it, console) : CollectNow(it, console));
  if (it.output == Output::kJson) {
    console.out << JsonObject(report) << "\n";
  } else {
    PrintText(report, console);
  }
  // A dry run that says why nothing would happen has done its work.
  return report.skipped().empty() || report.dry_run() ? kExitFine
                                                      : kExitFinding;
}

}  // namespace oneagent
