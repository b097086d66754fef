#include "cache/provisioner/tenant_task.h"

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace oneagent {

std::map<std::string, TenantTask> TasksOf(const ClusterState& state) {
  std::map<std::string, TenantTask> tasks;
  for (const SourceProblem& problem : state.problems) {
    if (problem.dynakube.empty()) continue;
    tasks.insert_or_assign(
        problem.dynakube,
        TenantTask{.dynakube = problem.dynakube,
                   .namespace_name = "",
                   .identity = {},
                   .max_attempts = 0,
                   .desired = absl::InvalidArgumentError(
                       absl::StrCat(problem.object, ": ", problem.cause))});
  }
  for (const v1::DynaKube& dynakube : state.dynakubes) {
    const v1::ObjectMeta& meta = dynakube.metadata();
    tasks.insert_or_assign(
        meta.name(),
        TenantTask{.dynakube = meta.name(),
                   .namespace_name = meta.namespace_(),
                   .identity = {.uid = meta.uid(),
                                .api_version = dynakube.api_version()},
                   .max_attempts = MaxMountAttempts(dynakube),
                   .desired = DesiredTenantOf(dynakube, state),
                   .source_digest = SourceDigest(dynakube, state)});
  }
  return tasks;
}

}  // namespace oneagent
