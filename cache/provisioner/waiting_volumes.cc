#include "cache/provisioner/waiting_volumes.h"

#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/status_macros.h"

namespace oneagent {
namespace {

// Failing open takes milliseconds, and a look comes once a second.
constexpr absl::Duration kPassing = absl::Milliseconds(500);

bool MayBePassing(const VolumeRow& volume, absl::Time now) {
  const absl::Duration waited = now - volume.first_failure_at;
  // Less than nothing: the clock was set back.
  return waited >= absl::ZeroDuration() && waited < kPassing;
}

const TenantRow* Find(const std::vector<TenantRow>& tenants,
                      const std::string& dynakube) {
  for (const TenantRow& tenant : tenants) {
    if (tenant.dynakube == dynakube &&
        tenant.deleted_at == absl::InfinitePast()) {
      return &tenant;
    }
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<bool> WaitingVolumes::Look(absl::Time now) {
  ASSIGN_OR_RETURN(const std::vector<VolumeRow> volumes, index_.ListVolumes());
  ASSIGN_OR_RETURN(const std::vector<TenantRow> tenants, index_.ListTenants());
  std::map<std::string, bool> waiting;
  bool is_more = false;
  for (const VolumeRow& volume : volumes) {
    if (volume.state != VolumeState::kWaiting) continue;
    const TenantRow* const tenant = Find(tenants, volume.dynakube);
    const bool has_agent = tenant != nullptr && !tenant->agent_id.empty();
    const auto before = said_.find(volume.id);
    if (before == said_.end() && MayBePassing(volume, now)) {
      is_more = true;
      continue;
    }
    if (before == said_.end()) {
      observer_.OnVolumeWaits(volume, tenant);
    } else if (has_agent && !before->second) {
      observer_.OnVolumeCanGo(volume, *tenant);
    }
    waiting[volume.id] = has_agent;
  }
  said_ = std::move(waiting);
  return is_more;
}

}  // namespace oneagent
