#include "cache/collect/plan.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace oneagent {
namespace {

// What rows refer to. The counts in agent and config rows say the same; both
// are asked, because either list may be the older one.
struct References {
  std::set<std::string> agents;
  std::set<std::string> configs;
  std::set<std::string> dynakubes;  // named by volumes
};

References CollectReferences(const std::vector<TenantRow>& tenants,
                             const std::vector<VolumeRow>& volumes) {
  References used;
  for (const TenantRow& tenant : tenants) {
    if (tenant.deleted_at != absl::InfinitePast()) continue;
    used.agents.insert(tenant.agent_id);
    used.configs.insert(tenant.config_id);
  }
  for (const VolumeRow& volume : volumes) {
    used.agents.insert(volume.agent_id);
    used.configs.insert(volume.config_id);
    used.dynakubes.insert(volume.dynakube);
  }
  return used;
}

// A clock is not kept to the second: what is a little ahead has just been.
bool IsUndated(absl::Time time, const CollectionLimits& limits,
               absl::Time now) {
  return time > now + limits.grace_period;
}

bool IsGraceOver(absl::Time time, const CollectionLimits& limits,
                 absl::Time now) {
  return time < now - limits.grace_period || IsUndated(time, limits, now);
}

template <typename Row>
bool IsUnused(const Row& row, const std::set<std::string>& used,
              const CollectionLimits& limits, absl::Time now) {
  return row.leases == 0 && !row.is_current && !used.contains(row.id) &&
         IsGraceOver(row.last_used_at, limits, now);
}

// The newest `keep` of `unused` that have a tree to be kept.
std::set<std::string> Newest(std::vector<AgentRow> unused, int64_t keep) {
  std::erase_if(unused, [](const AgentRow& agent) {
    return agent.state == TreeState::kMissing;
  });
  std::sort(unused.begin(), unused.end(),
            [](const AgentRow& a, const AgentRow& b) {
              if (a.installed_at != b.installed_at) {
                return a.installed_at > b.installed_at;
              }
              return a.id < b.id;  // one answer for equal times
            });
  std::set<std::string> newest;
  for (const AgentRow& agent : unused) {
    if (static_cast<int64_t>(newest.size()) >= keep) break;
    newest.insert(agent.id);
  }
  return newest;
}

}  // namespace

CollectionPlan PlanCollection(const std::vector<AgentRow>& agents,
                              const std::vector<ConfigRow>& configs,
                              const std::vector<TenantRow>& tenants,
                              const std::vector<VolumeRow>& volumes,
                              const CollectionLimits& limits, absl::Time now) {
  const References used = CollectReferences(tenants, volumes);
  CollectionPlan plan;
  std::vector<AgentRow> unused;
  for (const AgentRow& agent : agents) {
    if (IsUnused(agent, used.agents, limits, now)) unused.push_back(agent);
  }
  const std::set<std::string> kept = Newest(unused, limits.keep_versions);
  for (const AgentRow& agent : unused) {
    if (kept.contains(agent.id)) continue;
    plan.agents.push_back(agent.id);
    if (IsUndated(agent.last_used_at, limits, now)) {
      plan.undated.insert(agent.id);
    }
  }
  for (const ConfigRow& config : configs) {
    if (IsUnused(config, used.configs, limits, now)) {
      plan.configs.push_back(config.id);
      if (IsUndated(config.last_used_at, limits, now)) {
        plan.undated.insert(config.id);
      }
    }
  }
  for (const TenantRow& tenant : tenants) {
    if (tenant.deleted_at != absl::InfinitePast() &&
        IsGraceOver(tenant.deleted_at, limits, now) &&
        !used.dynakubes.contains(tenant.dynakube)) {
      plan.tenants.push_back(tenant.dynakube);
    }
  }
  return plan;
}

}  // namespace oneagent
