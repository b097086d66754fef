// Sequence "book". Dying after a step leaves:
//  1 tenants/<dynakube>.json written and synced: the record is ahead of the
//    row; at start the row is put from the record.
//  2 row put: new pods get what it says.
#include "cache/provisioner/tenant_book.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/durable_file.h"
#include "base/failpoint.h"
#include "base/status_macros.h"
#include "cache/index/records.h"
#include "cache/store/tree_lock.h"

namespace oneagent {
namespace {

bool SaysTheSame(TenantRow a, const TenantRow& b) {
  a.updated_at = b.updated_at;
  return a == b;
}

}  // namespace

absl::StatusOr<std::optional<TenantRow>> TenantBook::Find(
    absl::string_view dynakube) {
  absl::StatusOr<TenantRow> record = ReadTenantRecord(layout_, dynakube);
  if (record.ok()) return std::optional<TenantRow>(*std::move(record));
  const bool is_gone = absl::IsNotFound(record.status()) ||
                       absl::IsInvalidArgument(record.status());
  if (!is_gone) return record.status();
  return index_.GetTenant(dynakube);
}

absl::Status TenantBook::Write(const TenantRow& row) {
  ASSIGN_OR_RETURN(const UniqueFd lock, LockTrees(layout_.TenantsDir()));
  return WriteBoth(row);
}

absl::Status TenantBook::WriteBoth(const TenantRow& row) {
  const absl::StatusOr<TenantRow> record =
      ReadTenantRecord(layout_, row.dynakube);
  if (!record.ok() || !SaysTheSame(*record, row)) {
    RETURN_IF_ERROR(WriteTenantRecord(layout_, row));
  }
  Failpoint("book:1");
  ASSIGN_OR_RETURN(const std::optional<TenantRow> known,
                   index_.GetTenant(row.dynakube));
  if (!known.has_value() || !SaysTheSame(*known, row)) {
    RETURN_IF_ERROR(PutRow(row));
  }
  Failpoint("book:2");
  return absl::OkStatus();
}

absl::Status TenantBook::PutRow(const TenantRow& row) {
  const absl::Status put = index_.PutTenant(row);
  if (!absl::IsFailedPrecondition(put)) return put;
  RETURN_IF_ERROR(Adopt(row));
  return index_.PutTenant(row);
}

absl::Status TenantBook::Adopt(const TenantRow& row) {
  {
    ASSIGN_OR_RETURN(const UniqueFd lock, LockTrees(layout_.AgentsDir()));
    const auto agent = ReadAgentRecord(layout_, row.agent_id);
    ASSIGN_OR_RETURN(const bool has_tree,
                     PathExists(layout_.AgentTree(row.agent_id)));
    if (agent.ok() && has_tree) RETURN_IF_ERROR(index_.PutAgent(*agent));
  }
  ASSIGN_OR_RETURN(const UniqueFd lock, LockTrees(layout_.ConfigsDir()));
  const auto config = ReadConfigRecord(layout_, row.config_id);
  ASSIGN_OR_RETURN(const bool has_tree,
                   PathExists(layout_.ConfigTree(row.config_id)));
  if (config.ok() && has_tree) RETURN_IF_ERROR(index_.PutConfig(*config));
  return absl::OkStatus();
}

absl::StatusOr<bool> TenantBook::Forget(absl::string_view dynakube,
                                        absl::Time now) {
  ASSIGN_OR_RETURN(const UniqueFd lock, LockTrees(layout_.TenantsDir()));
  ASSIGN_OR_RETURN(std::optional<TenantRow> row, Find(dynakube));
  if (!row.has_value()) return false;
  const bool is_new = row->deleted_at == absl::InfinitePast();
  if (is_new) {
    row->deleted_at = now;
    row->updated_at = now;
  }
  // Also when the record says so already: its row may have been lost.
  RETURN_IF_ERROR(WriteBoth(*row));
  return is_new;
}

absl::Status TenantBook::RestoreOne(absl::string_view dynakube) {
  // A record read here must not be put over the row of one written meanwhile.
  ASSIGN_OR_RETURN(const UniqueFd lock, LockTrees(layout_.TenantsDir()));
  ASSIGN_OR_RETURN(TenantRow record, ReadTenantRecord(layout_, dynakube));
  Failpoint("book:restore");
  ASSIGN_OR_RETURN(const std::optional<TenantRow> known,
                   index_.GetTenant(dynakube));
  if (known.has_value() && SaysTheSame(*known, record)) return absl::OkStatus();
  const absl::Status put = PutRow(record);
  if (put.code() != absl::StatusCode::kFailedPrecondition) return put;
  // Agent or config are gone from the disk: the next reconcile, which need not
  // wait (DynaKubesInNeed), brings them back. The tenant itself must stay
  // known.
  record.agent_id.clear();
  record.config_id.clear();
  return index_.PutTenant(record);
}

absl::Status TenantBook::Restore() {
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   ListDirectory(layout_.TenantsDir()));
  absl::Status first;
  for (const std::string& name : names) {
    const absl::string_view dynakube = absl::StripSuffix(name, ".json");
    if (dynakube.size() == name.size() || !IsDns1035Label(dynakube)) continue;
    first.Update(RestoreOne(dynakube));
  }
  return first;
}

}  // namespace oneagent
