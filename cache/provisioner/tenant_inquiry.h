// Asks a tenant for everything that a reconcile needs before it does anything:
// who it is, which version, which process configuration. Thread-safe, for
// different DynaKubes at a time.
#ifndef CACHE_PROVISIONER_TENANT_INQUIRY_H_
#define CACHE_PROVISIONER_TENANT_INQUIRY_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "cache/kube/desired_state.h"
#include "cache/source/deployment_api.h"

namespace oneagent {

// What is known so far; a failed inquiry leaves what it had found out.
struct TenantFacts {
  ConnectionDetails tenant;
  std::string version;
  std::vector<ConfProperty> properties;
  // Why the process configuration is missing from the properties.
  absl::Status incomplete;
  // What was put right on the way, for whoever looks at a ready DynaKube.
  std::vector<std::string> remarks;
};

class TenantInquiry {
 public:
  // Borrowed; must outlive the inquiry.
  explicit TenantInquiry(DeploymentApi& api) : api_(api) {}

  // `access.token` is the one that was accepted, afterwards: a tenant that
  // refuses the first is asked once with desired.other_token. `is_first`: there
  // is nothing yet that pods get, so that a process configuration that cannot
  // be had stops nothing.
  absl::Status FindOut(const DesiredTenant& desired, bool is_first,
                       TenantAccess& access, TenantFacts& facts);

 private:
  struct KnownConfig {
    TenantAccess access;  // whose configuration it is
    ProcessConfig config;
  };

  absl::Status Ask(const DesiredTenant& desired, bool is_first,
                   const TenantAccess& access, TenantFacts& facts);
  absl::StatusOr<ConnectionDetails> WhoIsTheTenant(const DesiredTenant& desired,
                                                   const TenantAccess& access);
  absl::StatusOr<ProcessConfig> ConfigOf(const DesiredTenant& desired,
                                         const TenantAccess& access);

  DeploymentApi& api_;
  Mutex mu_;
  std::map<std::string, KnownConfig> configs_ ABSL_GUARDED_BY(mu_);
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_TENANT_INQUIRY_H_
