#include "cache/provisioner/tenant_inquiry.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "cache/provisioner/tenant_conf.h"

namespace oneagent {
namespace {

// The same question to the same tenant: its revisions can be compared.
bool AsksTheSame(const TenantAccess& a, const TenantAccess& b) {
  return a.api_url == b.api_url && a.token == b.token &&
         a.host_group == b.host_group;
}

absl::StatusOr<ProcessConfig> ConfigFromSecret(const DesiredTenant& desired) {
  absl::StatusOr<ProcessConfig> config =
      ParseProcessConfig(desired.process_config);
  if (config.ok()) return config;
  // The operator may write it anew.
  return absl::FailedPreconditionError(
      absl::StrCat("Secret ", desired.namespace_name, "/", desired.dynakube,
                   kProcessConfigSecret, ": ", kProcessConfigKey, ": ",
                   config.status().message()));
}

absl::Status CheckComplete(const ConnectionDetails& tenant) {
  const char* const missing = tenant.tenant_uuid.empty()    ? "tenantUUID"
                              : tenant.tenant_token.empty() ? "tenantToken"
                                                            : nullptr;
  if (missing == nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "tenant: neither status and tenant secret nor connectioninfo has a ",
      missing));
}

}  // namespace

absl::Status TenantInquiry::FindOut(const DesiredTenant& desired, bool is_first,
                                    TenantAccess& access, TenantFacts& facts) {
  const absl::Status status = Ask(desired, is_first, access, facts);
  const bool is_refused = absl::IsPermissionDenied(status) ||
                          absl::IsPermissionDenied(facts.incomplete);
  if (!is_refused || desired.other_token.empty()) return status;
  TenantAccess other = access;
  other.token = desired.other_token;
  TenantFacts with_other;
  const absl::Status second = Ask(desired, is_first, other, with_other);
  if (!second.ok() || !with_other.incomplete.ok()) return status;
  access = std::move(other);
  facts = std::move(with_other);
  facts.remarks.push_back(
      "the tenant refuses apiToken, paasToken of the same Secret is used");
  return absl::OkStatus();
}

absl::Status TenantInquiry::Ask(const DesiredTenant& desired, bool is_first,
                                const TenantAccess& access,
                                TenantFacts& facts) {
  facts.version = desired.version;
  ASSIGN_OR_RETURN(facts.tenant, WhoIsTheTenant(desired, access));
  if (facts.tenant.endpoints.empty()) {
    facts.remarks.push_back(
        "the tenant names no communication endpoints (a network zone without "
        "an ActiveGate?): agents get no serverAddress");
  }
  if (facts.version.empty()) {
    ASSIGN_OR_RETURN(facts.version, api_.LatestVersion(access, ThisPlatform()));
  }
  absl::StatusOr<ProcessConfig> config = ConfigOf(desired, access);
  if (!config.ok()) {
    const absl::Status& why = config.status();
    // Pods that have a configuration keep it. Those that have none do not
    // wait for what their agent can do without.
    if (!is_first || absl::IsCancelled(why)) return why;
    facts.incomplete =
        WithMessage(why, absl::StrCat(why.message(), "; installed without it"));
    config = ProcessConfig();
  }
  if (!config->left_out.empty()) {
    facts.remarks.push_back(
        absl::StrCat("process module config: left out: ", config->left_out));
  }
  ASSIGN_OR_RETURN(facts.properties,
                   TenantProperties(desired, facts.tenant, config->properties));
  return absl::OkStatus();
}

// tenantUUID from the status, never from apiUrl, which may be an alias; what
// an operator did not write is asked for.
absl::StatusOr<ConnectionDetails> TenantInquiry::WhoIsTheTenant(
    const DesiredTenant& desired, const TenantAccess& access) {
  ConnectionDetails tenant = {.tenant_uuid = desired.tenant_uuid,
                              .tenant_token = desired.tenant_token,
                              .endpoints = desired.endpoints};
  if (CheckComplete(tenant).ok() && !tenant.endpoints.empty()) return tenant;
  ASSIGN_OR_RETURN(const std::optional<ConnectionDetails> asked,
                   api_.ConnectionInfo(access));
  if (asked.has_value()) {
    if (tenant.tenant_uuid.empty()) tenant.tenant_uuid = asked->tenant_uuid;
    // A token of one tenant with the name of another fits nobody.
    if (tenant.tenant_uuid != asked->tenant_uuid) {
      return absl::FailedPreconditionError(
          absl::StrCat("tenant: status says ", tenant.tenant_uuid,
                       ", connectioninfo says ", asked->tenant_uuid));
    }
    if (tenant.tenant_token.empty()) tenant.tenant_token = asked->tenant_token;
    if (tenant.endpoints.empty()) tenant.endpoints = asked->endpoints;
  }
  RETURN_IF_ERROR(CheckComplete(tenant));
  return tenant;
}

absl::StatusOr<ProcessConfig> TenantInquiry::ConfigOf(
    const DesiredTenant& desired, const TenantAccess& access) {
  // The operator asked, so that not every node has to.
  if (!desired.process_config.empty()) return ConfigFromSecret(desired);
  const std::string& dynakube = desired.dynakube;
  ProcessConfig known;
  {
    MutexLock lock(mu_);
    const auto found = configs_.find(dynakube);
    if (found != configs_.end() && AsksTheSame(found->second.access, access)) {
      known = found->second.config;
    }
  }
  ASSIGN_OR_RETURN(std::optional<ProcessConfig> newer,
                   api_.GetProcessConfig(access, known.revision));
  if (!newer.has_value()) return known;
  MutexLock lock(mu_);
  configs_[dynakube] = {access, *newer};
  // It borrows from the reconcile that is at work.
  configs_[dynakube].access.cancelled = nullptr;
  return *std::move(newer);
}

}  // namespace oneagent
