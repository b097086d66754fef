// What is to be done for one DynaKube, as the list of the cluster has it. Pure.
#ifndef CACHE_PROVISIONER_TENANT_TASK_H_
#define CACHE_PROVISIONER_TENANT_TASK_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "cache/kube/desired_state.h"
#include "cache/kube/dynakube_source.h"
#include "cache/provisioner/observer.h"

namespace oneagent {

// One DynaKube as it was last listed.
struct TenantTask {
  std::string dynakube;
  std::string namespace_name;  // empty: not known, keep what is known
  DynaKubeIdentity identity = {};
  int32_t max_attempts = 0;
  absl::StatusOr<DesiredTenant> desired;  // or why it cannot be said
  // SourceDigest: changes with any touch of the objects behind it.
  std::string source_digest = {};

  bool operator==(const TenantTask&) const = default;
};

// By name; one that cannot be read is there with its problem.
std::map<std::string, TenantTask> TasksOf(const ClusterState& state);

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_TENANT_TASK_H_
