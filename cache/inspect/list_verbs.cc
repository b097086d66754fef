// agents, volumes, tenants.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "cache/inspect/json_output.h"
#include "cache/inspect/table.h"
#include "cache/inspect/verbs.h"
#include "cache/inspect/views.h"

namespace oneagent {

absl::StatusOr<std::unique_ptr<Index>> OpenForReading(
    const std::string& data_dir) {
  absl::StatusOr<std::unique_ptr<Index>> index = Index::Open(
      {.data_dir = data_dir, .read_only = true, .on_rebuilt = nullptr});
  if (absl::IsNotFound(index.status())) {
    return absl::NotFoundError(absl::StrCat(
        "no index in ", data_dir,
        ": has a daemon run here? (--data-dir names another place)"));
  }
  if (absl::IsDataLoss(index.status())) {
    return absl::DataLossError(
        absl::StrCat(index.status().message(),
                     "; the mounter fills a new one when it is restarted"));
  }
  return index;
}

VerbResult RunAgents(const Invocation& it, const Console& console) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Index> index,
                   OpenForReading(it.data_dir));
  ASSIGN_OR_RETURN(std::vector<AgentRow> listed, index->ListAgents());
  const std::vector<AgentRow> agents = ByVersion(std::move(listed));
  if (it.output == Output::kTable) {
    console.out
        << AgentsTable(agents, console.clock.Now()).Format(console.paint);
    return kExitFine;
  }
  std::vector<v1::AgentView> views;
  for (const AgentRow& agent : agents) views.push_back(ViewOf(agent));
  console.out << JsonArray(views);
  return kExitFine;
}

VerbResult RunVolumes(const Invocation& it, const Console& console) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Index> index,
                   OpenForReading(it.data_dir));
  ASSIGN_OR_RETURN(const std::vector<VolumeRow> volumes, index->ListVolumes());
  ASSIGN_OR_RETURN(const std::vector<AgentRow> agents, index->ListAgents());
  if (it.output == Output::kTable) {
    console.out << VolumesTable(volumes, agents, console.clock.Now())
                       .Format(console.paint);
    return kExitFine;
  }
  std::vector<v1::VolumeView> views;
  for (const VolumeRow& volume : volumes) {
    views.push_back(ViewOf(volume, agents));
  }
  console.out << JsonArray(views);
  return kExitFine;
}

VerbResult RunTenants(const Invocation& it, const Console& console) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Index> index,
                   OpenForReading(it.data_dir));
  ASSIGN_OR_RETURN(const std::vector<TenantRow> tenants, index->ListTenants());
  ASSIGN_OR_RETURN(const std::string trouble, index->SourceTrouble());
  if (it.output == Output::kTable) {
    console.out
        << TenantsTable(tenants, console.clock.Now()).Format(console.paint);
    if (!trouble.empty()) {
      console.out << "\n"
                  << (absl::StartsWith(trouble, "nothing is collected")
                          ? ""
                          : "as last known, DynaKubes cannot be listed: ")
                  << TerminalText(trouble) << "\n";
    }
    return kExitFine;
  }
  std::vector<v1::TenantView> views;
  for (const TenantRow& tenant : tenants) {
    views.push_back(ViewOf(tenant));
    views.back().set_source_trouble(ValidUtf8(trouble));
  }
  console.out << JsonArray(views);
  return kExitFine;
}

}  // namespace oneagent
