// The tenant's deployment API: versions, agent archives, who the tenant is and
// what its processes are configured with. Stateless; thread-safe.
#ifndef CACHE_SOURCE_DEPLOYMENT_API_H_
#define CACHE_SOURCE_DEPLOYMENT_API_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cache/source/fetch.h"
#include "cache/source/process_config.h"

namespace oneagent {

struct TenantAccess {
  std::string api_url;  // https://<host>/api or https://<host>/e/<id>/api
  std::string token;    // apiToken, or paasToken; never logged
  std::string network_zone;
  std::string host_group;
  Connection connection;
  // As FetchRequest::cancelled.
  std::function<bool()> cancelled = {};
};

// Architecture and flavor as the API names them, for this program's own
// architecture: amd64 x86/multidistro, arm64 arm/multidistro.
struct Platform {
  std::string arch;
  std::string flavor;
};
Platform ThisPlatform();

struct ConnectionDetails {
  std::string tenant_uuid;
  std::string tenant_token;
  // As the API formats them, else with semicolons between them; empty for a
  // network zone without an ActiveGate.
  std::string endpoints;

  bool operator==(const ConnectionDetails&) const = default;
};

class DeploymentApi {
 public:
  // Borrowed; must outlive the API.
  explicit DeploymentApi(Fetcher& fetcher) : fetcher_(fetcher) {}

  // Errors of every call, naming the call and the server's own message, never
  // the token: PermissionDenied 401, 403; NotFound 404; Unavailable 429 and
  // 5xx, with ThrottleOf (throttle.h) for 429 and what has a Retry-After;
  // InvalidArgument for other refusals, for a body that is not what it should
  // be (of a page, its first words), and for a token that cannot stand in a
  // header; else the fetcher's own. What tenants say of themselves is bounded
  // and without control characters.
  absl::StatusOr<std::string> LatestVersion(const TenantAccess& access,
                                            const Platform& platform);
  absl::StatusOr<std::vector<std::string>> AvailableVersions(
      const TenantAccess& access, const Platform& platform);

  // The agent's zip into `file` (continued when it is there). The message of a
  // NotFound lists the versions that exist.
  absl::StatusOr<FetchResult> DownloadAgent(
      const TenantAccess& access, const Platform& platform,
      absl::string_view version, const std::string& file,
      const std::function<void(int64_t, int64_t)>& progress);
  // The URL of that download without its query, as it stands in a manifest.
  static std::string AgentUrl(const TenantAccess& access,
                              absl::string_view version);

  // nullopt when the server answers 400 (no such network zone).
  absl::StatusOr<std::optional<ConnectionDetails>> ConnectionInfo(
      const TenantAccess& access);

  // nullopt when nothing is newer than `revision` (304, or 200 without revision
  // and properties), or the tenant has no such thing (404). InvalidArgument,
  // too, as ParseProcessConfig.
  absl::StatusOr<std::optional<ProcessConfig>> GetProcessConfig(
      const TenantAccess& access, int64_t revision);

 private:
  Fetcher& fetcher_;
};

}  // namespace oneagent

#endif  // CACHE_SOURCE_DEPLOYMENT_API_H_
