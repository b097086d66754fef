// Takes a taint away from a node.
#ifndef CACHE_KUBE_NODE_TAINT_H_
#define CACHE_KUBE_NODE_TAINT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cache/kube/api_client.h"

namespace oneagent {

// The JSON patch (RFC 6902) that takes every taint with `key`, of whatever
// effect, out of a node (its JSON); "" when it has none. Each removal is
// preceded by a test that the taint is at its place still: whoever else changes
// the taints meanwhile makes the server refuse the whole. Pure.
// InvalidArgument when `node_json` is no node.
absl::StatusOr<std::string> TaintRemovalPatch(absl::string_view node_json,
                                              absl::string_view key);

// Reads the node and patches it; OK also when the taint is not there. Waits for
// the network. Errors: those of ApiClient::Call and ApiError; Aborted when
// somebody else changed the taints meanwhile.
absl::Status RemoveTaint(ApiClient& client, const std::string& node,
                         const std::string& key);

}  // namespace oneagent

#endif  // CACHE_KUBE_NODE_TAINT_H_
