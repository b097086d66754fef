#include "cache/provisioner/fresh_node.h"

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/strip.h"
#include "base/durable_file.h"
#include "cache/index/records.h"

namespace oneagent {
namespace {

// Also of one that needs none, as far as a record tells.
bool HasItsAgent(const Layout& layout, absl::string_view dynakube) {
  const absl::StatusOr<TenantRow> record = ReadTenantRecord(layout, dynakube);
  if (!record.ok()) return false;
  if (record->deleted_at != absl::InfinitePast()) return true;
  if (record->agent_id.empty()) return record->state == TenantState::kReady;
  const absl::StatusOr<bool> has_manifest =
      PathExists(layout.AgentManifest(record->agent_id));
  return has_manifest.ok() && *has_manifest;
}

}  // namespace

bool LacksAgents(const Layout& layout) {
  const absl::StatusOr<std::vector<std::string>> names =
      ListDirectory(layout.TenantsDir());
  if (!names.ok()) return true;
  bool is_any_known = false;
  for (const std::string& name : *names) {
    const absl::string_view dynakube = absl::StripSuffix(name, ".json");
    if (dynakube.size() == name.size() || !IsDns1035Label(dynakube)) continue;
    if (!HasItsAgent(layout, dynakube)) return true;
    is_any_known = true;
  }
  return !is_any_known;
}

}  // namespace oneagent
