#include "cache/provisioner/lost_rows.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/durable_file.h"
#include "base/status_macros.h"
#include "cache/store/identity.h"

namespace oneagent {
namespace {

// Everything in `directory` that should have a row: records, and trees, which
// may have lost theirs.
absl::StatusOr<std::set<std::string>> NamesWithRows(
    const std::string& directory) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   ListDirectory(directory));
  std::set<std::string> ids;
  for (const std::string& name : names) {
    const absl::string_view id = absl::StripSuffix(name, ".json");
    const bool is_record = id.size() < name.size() && name[0] != '.';
    if (is_record || IsTreeId(name)) ids.emplace(id);
  }
  return ids;
}

}  // namespace

absl::StatusOr<bool> RowsAreMissing(const Layout& layout, Index& index) {
  std::set<std::string> ids;
  ASSIGN_OR_RETURN(const auto agents, index.ListAgents());
  for (const AgentRow& row : agents) ids.insert(layout.AgentManifest(row.id));
  ASSIGN_OR_RETURN(const auto configs, index.ListConfigs());
  for (const ConfigRow& row : configs) {
    ids.insert(layout.ConfigManifest(row.id));
  }
  ASSIGN_OR_RETURN(const auto tenants, index.ListTenants());
  for (const TenantRow& row : tenants) {
    ids.insert(layout.TenantRecord(row.dynakube));
  }
  for (const std::string& directory :
       {layout.AgentsDir(), layout.ConfigsDir(), layout.TenantsDir()}) {
    ASSIGN_OR_RETURN(const std::set<std::string> names,
                     NamesWithRows(directory));
    for (const std::string& name : names) {
      if (!ids.contains(absl::StrCat(directory, "/", name, ".json"))) {
        return true;
      }
    }
  }
  return false;
}

absl::StatusOr<std::vector<std::string>> DynaKubesInNeed(Index& index) {
  std::set<std::string> ready;
  ASSIGN_OR_RETURN(const auto agents, index.ListAgents());
  for (const AgentRow& row : agents) {
    if (row.state == TreeState::kReady) ready.insert(row.id);
  }
  ASSIGN_OR_RETURN(const auto configs, index.ListConfigs());
  for (const ConfigRow& row : configs) {
    if (row.state == TreeState::kReady) ready.insert(row.id);
  }
  ASSIGN_OR_RETURN(const auto tenants, index.ListTenants());
  std::vector<std::string> in_need;
  for (const TenantRow& row : tenants) {
    // Without a version none is needed.
    const bool wants = row.state == TenantState::kReady &&
                       row.deleted_at == absl::InfinitePast() &&
                       !row.version.empty();
    if (wants &&
        !(ready.contains(row.agent_id) && ready.contains(row.config_id))) {
      in_need.push_back(row.dynakube);
    }
  }
  return in_need;
}

}  // namespace oneagent
