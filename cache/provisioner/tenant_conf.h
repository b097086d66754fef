// What a tenant's processes are configured with, over the agent's own
// ruxitagentproc.conf. Pure.
#ifndef CACHE_PROVISIONER_TENANT_CONF_H_
#define CACHE_PROVISIONER_TENANT_CONF_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cache/conf/process_conf.h"
#include "cache/kube/desired_state.h"
#include "cache/source/deployment_api.h"

namespace oneagent {

// The tenant's own properties with those that this node knows better in
// section general: tenant, tenantToken, serverAddress, hostGroup, proxy and
// noProxy. One of them that is not wanted here (a proxy that is gone) is left
// out even where the tenant has it. InvalidArgument naming section and key of
// a property that cannot stand in a file.
absl::StatusOr<std::vector<ConfProperty>> TenantProperties(
    const DesiredTenant& desired, const ConnectionDetails& tenant,
    const std::vector<ConfProperty>& from_tenant);

// `text` as one line of at most 500 bytes, in which no secret of `desired` is
// to be seen: servers repeat what they were sent.
std::string WithoutSecrets(std::string text, const DesiredTenant& desired,
                           const ConnectionDetails& tenant);

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_TENANT_CONF_H_
