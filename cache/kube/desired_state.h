// From Kubernetes objects to what the reconcile acts on. Pure.
#ifndef CACHE_KUBE_DESIRED_STATE_H_
#define CACHE_KUBE_DESIRED_STATE_H_

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cache/kube/dynakube_source.h"

namespace oneagent {

// The operator's copy of the tenant's process configuration: the suffix of the
// Secret's name, after the DynaKube's, and the key in it.
inline constexpr char kProcessConfigSecret[] = "-pmc-secret";
inline constexpr char kProcessConfigKey[] = "ruxitagentproc.conf";

// What one DynaKube asks for. Empty strings: not said.
struct DesiredTenant {
  std::string dynakube;
  std::string namespace_name;
  bool needs_agent = false;  // cloudNativeFullStack or applicationMonitoring
  std::string version;       // status.codeModules.version, else pinned
  std::string image;         // codeModulesImage (not served yet: a cause)
  std::string api_url;
  std::string api_token;  // apiToken, falling back to paasToken
  // paasToken beside an apiToken that is another: operators before 1.0 wanted
  // it, and where they are gone it is often an old one.
  std::string other_token;
  std::string tenant_uuid;   // status.oneAgent.connectionInfoStatus
  std::string tenant_token;  // Secret <dk>-oneagent-tenant-secret
  std::string endpoints;     // status, comma-separated
  // JSON, as the API's processmoduleconfig answers; not checked yet.
  std::string process_config;
  std::string network_zone;
  std::string host_group;
  std::string proxy;
  std::string no_proxy;
  bool agent_ignores_proxy = false;
  std::string trusted_cas;  // PEM
  bool skip_cert_check = false;
  int32_t max_attempts = 0;
  // What of it cannot be used while the rest can, for whoever looks at it.
  std::vector<std::string> remarks;
  // How long the tenant's API is left alone while nothing changes; zero: not
  // said.
  absl::Duration api_pause;

  bool operator==(const DesiredTenant&) const = default;
};

// A Secret or ConfigMap in a DynaKube's namespace.
struct ObjectReference {
  enum class Kind { kSecret, kConfigMap };
  Kind kind = Kind::kSecret;
  std::string name;

  auto operator<=>(const ObjectReference&) const = default;
};

// What DesiredTenantOf looks up for this DynaKube, whether it is there or not;
// a name that no object can have is left out.
std::vector<ObjectReference> ReferencesOf(const v1::DynaKube& dynakube);

// FailedPrecondition naming object, field and cause when something that is
// referred to is not there (no token Secret, missing key "certs" in the
// trustedCAs ConfigMap, …), for it may come; InvalidArgument when something is
// there and cannot be used (a Secret that is not base64, an apiUrl without a
// host, …), which no waiting mends.
//
// Without an agent (hostMonitoring, classicFullStack) the tokens may be
// missing.
absl::StatusOr<DesiredTenant> DesiredTenantOf(const v1::DynaKube& dynakube,
                                              const ClusterState& state);

// Changes when anything of what DesiredTenantOf reads does, also where that
// makes no difference: whoever touches an object wants it to be looked at.
std::string SourceDigest(const v1::DynaKube& dynakube,
                         const ClusterState& state);

// What DesiredTenantOf also says when it succeeds: the limit on mount attempts
// from the annotation max-csi-mount-attempts; 0: none. It counts while nothing
// else of the DynaKube is usable, too. A limit of 0 in the annotation means
// that the first failure is the last: 1.
int32_t MaxMountAttempts(const v1::DynaKube& dynakube);

}  // namespace oneagent

#endif  // CACHE_KUBE_DESIRED_STATE_H_
