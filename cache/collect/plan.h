// Decides what the provisioner may delete. Pure: rows in, ids out.
#ifndef CACHE_COLLECT_PLAN_H_
#define CACHE_COLLECT_PLAN_H_

#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cache/index/rows.h"

namespace oneagent {

struct CollectionLimits {
  absl::Duration grace_period = absl::Minutes(5);
  int64_t keep_versions = 1;  // newest unleased agents kept, beyond the used
  // What was removed is deleted this long after. Zero: at once, and whatever
  // else is in the trash.
  absl::Duration trash_age = absl::Minutes(1);
};

struct CollectionPlan {
  std::vector<std::string> agents;   // ids, to be removed
  std::vector<std::string> configs;  // ids, to be removed
  std::vector<std::string> tenants;  // deleted DynaKubes nobody refers to
  // Of agents and configs, those whose last use is a time that has not come.
  std::set<std::string> undated = {};

  bool operator==(const CollectionPlan&) const = default;
};

// An agent is planned when no volume leases it, no live tenant has it as its
// current one, it was last used before now - grace_period, and it is not among
// the newest `keep_versions` (by installed_at) of those. Configs likewise,
// without the keep rule. A deleted tenant is planned when no volume names it
// and its grace period is over. A time that is later than now by more than the
// grace period was written before the clock was set back, and says nothing: it
// counts as past, or nothing would go until it comes. What is planned is only a
// proposal: the index decides again, atomically, at removal.
CollectionPlan PlanCollection(const std::vector<AgentRow>& agents,
                              const std::vector<ConfigRow>& configs,
                              const std::vector<TenantRow>& tenants,
                              const std::vector<VolumeRow>& volumes,
                              const CollectionLimits& limits, absl::Time now);

}  // namespace oneagent

#endif  // CACHE_COLLECT_PLAN_H_
