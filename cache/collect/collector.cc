// Sequence "tenant" (a deleted DynaKube that nobody refers to any more):
//   1  tenants/<dynakube>.json deleted
//   2  index row deleted
// Dying after 1: the row, with its deleted_at, is planned again. The other way
// round a rebuilt index would bring the tenant back from its record. Both are
// done under the lock of tenants/, which whoever brings a DynaKube back takes
// too: a record or a row without deleted_at stays.
#include "cache/collect/collector.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/failpoint.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "base/trash.h"
#include "cache/index/records.h"
#include "cache/store/tree_lock.h"

namespace oneagent {
namespace {

constexpr absl::Duration kStagingAge = absl::Hours(24);

// Names below host/; none before the first mounter.
absl::StatusOr<std::vector<std::string>> HostStorageNames(
    const Layout& layout) {
  absl::StatusOr<std::vector<std::string>> names =
      ListDirectory(layout.HostDir());
  if (absl::IsNotFound(names.status())) return std::vector<std::string>();
  return names;
}

// <dynakube> or <dynakube>.<n>, and their records.
bool IsStorageOf(const std::string& name, const std::string& dynakube) {
  return name == dynakube ||
         absl::StartsWith(name, absl::StrCat(dynakube, "."));
}

// False when the DynaKube has come back since the plan was made.
absl::StatusOr<bool> RemoveTenant(const Layout& layout, Index& index,
                                  const std::string& dynakube) {
  ASSIGN_OR_RETURN(const UniqueFd lock, LockTrees(layout.TenantsDir()));
  const absl::StatusOr<TenantRow> record = ReadTenantRecord(layout, dynakube);
  // Ahead of its row.
  if (record.ok() && record->deleted_at == absl::InfinitePast()) return false;
  ASSIGN_OR_RETURN(const std::optional<TenantRow> row,
                   index.GetTenant(dynakube));
  if (!row || row->deleted_at == absl::InfinitePast()) return false;
  RETURN_IF_ERROR(RemoveFileIfPresent(layout.TenantRecord(dynakube)));
  Failpoint("tenant:1");
  RETURN_IF_ERROR(index.DeleteTenant(dynakube));
  Failpoint("tenant:2");
  return true;
}

}  // namespace

Collector::Collector(Store& store, Index& index, const Clock& clock,
                     std::string boot_id, CollectionLimits limits)
    : store_(store),
      index_(index),
      clock_(clock),
      boot_id_(std::move(boot_id)),
      limits_(limits) {}

absl::StatusOr<CollectionPlan> Collector::Plan() {
  ASSIGN_OR_RETURN(const std::vector<AgentRow> agents, index_.ListAgents());
  ASSIGN_OR_RETURN(const std::vector<ConfigRow> configs, index_.ListConfigs());
  ASSIGN_OR_RETURN(const std::vector<TenantRow> tenants, index_.ListTenants());
  ASSIGN_OR_RETURN(const std::vector<VolumeRow> volumes, index_.ListVolumes());
  CollectionPlan plan =
      PlanCollection(agents, configs, tenants, volumes, limits_, clock_.Now());
  // The mounter collects the host storage of a deleted DynaKube, which it
  // knows by the tenant's row: that row goes last.
  ASSIGN_OR_RETURN(const std::vector<std::string> storages,
                   HostStorageNames(store_.layout()));
  std::erase_if(plan.tenants, [&](const std::string& dynakube) {
    return std::any_of(
        storages.begin(), storages.end(),
        [&](const std::string& name) { return IsStorageOf(name, dynakube); });
  });
  return plan;
}

absl::StatusOr<std::string> Collector::WhyNot(bool tenants_known) {
  if (!tenants_known) return std::string("the DynaKubes are not known");
  ASSIGN_OR_RETURN(const std::string reconciled, index_.ReconciledBootId());
  if (reconciled != boot_id_) {
    return std::string("the mounter has not reconciled since this boot");
  }
  return std::string();
}

absl::Status Collector::Carry(const CollectionPlan& plan,
                              CollectionResult* result) {
  const absl::Time grace = clock_.Now() - limits_.grace_period;
  const auto unused_before = [&plan, grace](const std::string& id) {
    return plan.undated.contains(id) ? absl::InfiniteFuture() : grace;
  };
  absl::Status first_error;
  for (const std::string& id : plan.agents) {
    const absl::StatusOr<bool> removed =
        store_.RemoveAgent(id, unused_before(id), boot_id_);
    if (removed.ok() && *removed) result->agents.push_back(id);
    first_error.Update(
        Annotate(removed.status(), absl::StrCat("collect agent ", id)));
  }
  for (const std::string& id : plan.configs) {
    const absl::StatusOr<bool> removed =
        store_.RemoveConfig(id, unused_before(id), boot_id_);
    if (removed.ok() && *removed) result->configs.push_back(id);
    first_error.Update(
        Annotate(removed.status(), absl::StrCat("collect config ", id)));
  }
  for (const std::string& dynakube : plan.tenants) {
    const absl::StatusOr<bool> removed =
        RemoveTenant(store_.layout(), index_, dynakube);
    if (removed.ok() && *removed) result->tenants.push_back(dynakube);
    first_error.Update(
        Annotate(removed.status(), absl::StrCat("collect tenant ", dynakube)));
  }
  first_error.Update(
      Annotate(store_.SweepStaging(clock_.Now() - kStagingAge), "collect"));
  return first_error;
}

absl::StatusOr<CollectionResult> Collector::RunOnce(bool tenants_known) {
  CollectionResult result;
  absl::Status first_error;
  absl::StatusOr<std::string> why_not = WhyNot(tenants_known);
  first_error.Update(why_not.status());
  if (why_not.ok()) result.skipped = *std::move(why_not);
  if (first_error.ok() && result.skipped.empty()) {
    const absl::StatusOr<CollectionPlan> plan = Plan();
    first_error.Update(plan.status());
    if (plan.ok()) first_error.Update(Carry(*plan, &result));
  }
  // The trash holds nothing that anybody refers to, whatever is in doubt. Its
  // age is for who finds out at once that something there should not be.
  const absl::StatusOr<TrashResult> emptied =
      EmptyTrash(store_.layout().TrashAgents(), limits_.trash_age);
  first_error.Update(emptied.status());
  if (!first_error.ok()) return first_error;
  result.bytes = emptied->bytes;
  return result;
}

}  // namespace oneagent
