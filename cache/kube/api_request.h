// One request to an API server and its answer, as plain values, and what an
// answer that refuses means. Pure, thread-safe.
#ifndef CACHE_KUBE_API_REQUEST_H_
#define CACHE_KUBE_API_REQUEST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace oneagent {

// What a request is about, as RBAC names it.
struct ApiResource {
  std::string group = {};           // "" is the core group
  std::string version;              // "v1", "v1beta6"
  std::string resource;             // plural: "secrets", "dynakubes"
  std::string namespace_name = {};  // empty: of the whole cluster
  std::string name = {};            // empty: all of them
  std::string subresource = {};     // "status"

  // "/apis/<group>/<version>/namespaces/<ns>/<resource>/<name>".
  std::string Path() const;
  bool operator==(const ApiResource&) const = default;
};

struct ApiRequest {
  std::string method = "GET";
  std::string path = {};  // from the root, without the query
  std::vector<std::pair<std::string, std::string>> query = {};
  std::string body = {};
  // Of the body: application/merge-patch+json for a PATCH, say.
  std::string content_type = "application/json";
  absl::Duration timeout = absl::Seconds(30);  // the whole exchange
  int64_t max_bytes = 64 << 20;                // of the answer
};

struct ApiAnswer {
  int code = 0;
  std::string body = {};
  std::optional<absl::Duration> retry_after = std::nullopt;
};

// OK for 2xx. Else a Status that says what was refused and why, in the
// server's words: "list secrets in namespace dynatrace: 403 …". `verb` is
// RBAC's: get, list, watch, create, patch. A 403 names the rule that a Role
// (ClusterRole, without a namespace) must have. Codes: 401 Unauthenticated,
// 403 PermissionDenied, 404 NotFound, 409 AlreadyExists, 410 OutOfRange, 429
// and 5xx Unavailable, everything else InvalidArgument.
absl::Status ApiError(absl::string_view verb, const ApiResource& resource,
                      const ApiAnswer& answer);

}  // namespace oneagent

#endif  // CACHE_KUBE_API_REQUEST_H_
