// Which versions of an API group a server has. Pure, thread-safe.
#ifndef CACHE_KUBE_DISCOVERY_H_
#define CACHE_KUBE_DISCOVERY_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace oneagent {

// Of the answer to GET /apis/dynatrace.com: the versions of DynaKube that both
// sides know, newest first. Not each of them need have DynaKubes: other kinds
// share the group. Errors: Unavailable for what is no group; NotFound, naming
// what is served and what is known, when there is no common version.
absl::StatusOr<std::vector<std::string>> CommonDynaKubeVersions(
    const std::string& group_json);

}  // namespace oneagent

#endif  // CACHE_KUBE_DISCOVERY_H_
