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
#include "cache/conf/process_conf.h"
#include "cache/source/fetch.h"

namespace oneagent {

struct TenantAccess {
  std::string api_url;  // https://<host>/api or https://<host>/e/<id>/api
  std::string token;    // paasToken, or apiToken; never logged
  std::string network_zone;
  std::string host_group;
  Connection connection;
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
  std::string endpoints;  // as the API formats them, else comma-separated

  bool operator==(const ConnectionDetails&) const = default;
};

struct ProcessConfig {
  int64_t revision = 0;
  std::vector<ConfProperty> properties;

  bool operator==(const ProcessConfig&) const = default;
};

// The JSON that processmoduleconfig answers. InvalidArgument when it is
// something else, a property does not pass CheckConfProperty, or there is none
// (taking that for a configuration would wipe the one that is there). No value
// is in the message.
absl::StatusOr<ProcessConfig> ParseProcessConfig(absl::string_view json);

class DeploymentApi {
 public:
  // Borrowed; must outlive the API.
  explicit DeploymentApi(Fetcher& fetcher) : fetcher_(fetcher) {}

  // Errors of every call, naming the call and the server's own message, never
  // the token: PermissionDenied 401, 403; NotFound 404; Unavailable 429 and
  // 5xx (after the fetcher's retries); InvalidArgument for other refusals, for
  // a body that is not what it should be, and for a token that cannot stand in
  // a header; else the fetcher's own.
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
