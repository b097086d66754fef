// Agents, configs and tenants: index against disk.
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cache/inspect/diagnose.h"
#include "cache/inspect/table.h"

namespace oneagent {
namespace {

constexpr char kRestartProvisioner[] =
    "restart the provisioner: it sets this right when it starts";

// What agents and configs have in common.
struct TreeRow {
  TreeState state = TreeState::kReady;
  int64_t leases = 0;
};

// `kind`: "agent" or "config"; the tree is at <kind>s/<id>.
void DiagnoseTree(const std::string& kind, const std::string& id,
                  const TreeFact& disk, const TreeRow* row,
                  std::vector<Finding>* findings) {
  const std::string subject = absl::StrCat(kind, "s/", id);
  if (disk.manifest && !disk.manifest_error.empty()) {
    findings->push_back({kind + "-manifest-damaged", subject,
                         disk.manifest_error, kRestartProvisioner});
  }
  if (disk.tree && !disk.manifest) {
    findings->push_back({kind + "-tree-without-manifest", subject,
                         "a tree without manifest: its installation was never "
                         "completed, or its manifest is lost",
                         kRestartProvisioner});
  }
  if (disk.manifest && !disk.tree) {
    findings->push_back({kind + "-manifest-without-tree", subject,
                         "a manifest without its tree", kRestartProvisioner});
  }
  if (row == nullptr) {
    if (disk.tree && disk.manifest) {
      findings->push_back({kind + "-without-row", subject,
                           "complete on disk, but the index does not know it",
                           kRestartProvisioner});
    }
    return;
  }
  if (!disk.tree) {
    std::string problem = "the index knows it, but its tree is gone";
    if (row->leases > 0) {
      absl::StrAppend(&problem, "; volumes that use it: ", row->leases);
    }
    findings->push_back({kind + "-without-tree", subject, problem,
                         "the provisioner installs it again while a DynaKube "
                         "wants it; pods that use it must be restarted"});
  } else if (disk.manifest && row->state == TreeState::kMissing) {
    findings->push_back({kind + "-state", subject,
                         "the index says missing, but the tree is there",
                         kRestartProvisioner});
  }
}

template <typename Row>
void DiagnoseKind(const std::string& kind, const std::vector<Row>& rows,
                  const std::map<std::string, TreeFact>& disk,
                  std::vector<Finding>* findings) {
  std::map<std::string, TreeRow> by_id;
  std::set<std::string> ids;
  for (const Row& row : rows) {
    by_id[row.id] = {row.state, row.leases};
    ids.insert(row.id);
  }
  for (const auto& [id, fact] : disk) ids.insert(id);
  for (const std::string& id : ids) {
    const auto fact = disk.find(id);
    const auto row = by_id.find(id);
    DiagnoseTree(kind, id, fact == disk.end() ? TreeFact() : fact->second,
                 row == by_id.end() ? nullptr : &row->second, findings);
  }
}

// Fields in which a tenant's record and row differ.
std::vector<std::string> Differences(const TenantRow& record,
                                     const TenantRow& row) {
  std::vector<std::string> fields;
  if (record.tenant_uuid != row.tenant_uuid) fields.emplace_back("tenant");
  // A deleted tenant's row refers to nothing, so that its agent can be
  // collected; its record keeps the ids.
  if (row.deleted_at == absl::InfinitePast()) {
    if (record.agent_id != row.agent_id) fields.emplace_back("agent");
    if (record.config_id != row.config_id) fields.emplace_back("config");
  }
  if (record.version != row.version) fields.emplace_back("version");
  if (record.state != row.state) fields.emplace_back("state");
  if ((record.deleted_at == absl::InfinitePast()) !=
      (row.deleted_at == absl::InfinitePast())) {
    fields.emplace_back("deletion");
  }
  return fields;
}

void DiagnoseTenant(const NodeFacts& facts, const DiagnoseLimits& limits,
                    const TenantRow& row,
                    const absl::StatusOr<TenantRow>* record,
                    std::vector<Finding>* findings) {
  const std::string subject = absl::StrCat("tenants/", row.dynakube);
  if (record == nullptr) {
    findings->push_back({"tenant-without-record", subject,
                         "the index has this DynaKube, the disk has no record",
                         kRestartProvisioner});
  } else if (record->ok()) {
    const std::vector<std::string> fields = Differences(**record, row);
    if (!fields.empty()) {
      findings->push_back({"tenant-record-differs", subject,
                           absl::StrCat("record and index differ in ",
                                        absl::StrJoin(fields, ", ")),
                           kRestartProvisioner});
    }
  }
  if (row.deleted_at != absl::InfinitePast()) return;
  if (row.state == TenantState::kWaiting &&
      facts.now - row.updated_at > limits.tenant_wait) {
    findings->push_back(
        {"tenant-waiting", subject,
         absl::StrCat("waits since ", Rfc3339(row.updated_at), ": ",
                      row.reason),
         "bring what the reason names; the provisioner looks for it by "
         "itself"});
  }
  if (row.state == TenantState::kFailed) {
    findings->push_back({"tenant-failed", subject, row.reason,
                         "put right what the reason names; the provisioner "
                         "tries again by itself"});
  }
}

}  // namespace

void DiagnoseTrees(const NodeFacts& facts, std::vector<Finding>* findings) {
  DiagnoseKind("agent", facts.index.agents, facts.disk.agents, findings);
  DiagnoseKind("config", facts.index.configs, facts.disk.configs, findings);
}

void DiagnoseTenants(const NodeFacts& facts, const DiagnoseLimits& limits,
                     std::vector<Finding>* findings) {
  if (!facts.index.source_trouble.empty()) {
    findings->push_back({"dynakubes-unknown", "tenants",
                         facts.index.source_trouble,
                         "put right what it names; until then nothing is "
                         "collected, and rows are as they were last known"});
  }
  std::set<std::string> with_row;
  for (const TenantRow& row : facts.index.tenants) {
    with_row.insert(row.dynakube);
    const auto record = facts.disk.tenants.find(row.dynakube);
    DiagnoseTenant(
        facts, limits, row,
        record == facts.disk.tenants.end() ? nullptr : &record->second,
        findings);
  }
  for (const auto& [dynakube, record] : facts.disk.tenants) {
    const std::string subject = absl::StrCat("tenants/", dynakube);
    if (!record.ok()) {
      findings->push_back({"tenant-record-damaged", subject,
                           std::string(record.status().message()),
                           kRestartProvisioner});
    } else if (with_row.count(dynakube) == 0) {
      findings->push_back({"tenant-without-row", subject,
                           "there is a record, but the index does not know "
                           "this DynaKube",
                           kRestartProvisioner});
    }
  }
}

}  // namespace oneagent
