#include "cache/provisioner/tenant_conf.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status_macros.h"
#include "base/text.h"

namespace oneagent {
namespace {

constexpr char kGeneral[] = "general";
constexpr size_t kLongestReason = 500;

// Sorted as the merge would: nothing depends on it, but one order is enough.
std::vector<ConfProperty> NodeProperties(const DesiredTenant& desired,
                                         const ConnectionDetails& tenant) {
  const bool is_plain =
      !tenant.endpoints.empty() && !absl::StartsWith(tenant.endpoints, "{");
  const std::string address =
      is_plain ? absl::StrCat("{", tenant.endpoints, "}") : tenant.endpoints;
  return {
      {kGeneral, "hostGroup", desired.host_group},
      {kGeneral, "noProxy", desired.no_proxy},
      {kGeneral, "proxy", desired.agent_ignores_proxy ? "" : desired.proxy},
      {kGeneral, "serverAddress", address},
      {kGeneral, "tenant", tenant.tenant_uuid},
      {kGeneral, "tenantToken", tenant.tenant_token},
  };
}

bool Has(const std::vector<ConfProperty>& properties,
         const ConfProperty& wanted) {
  return std::any_of(properties.begin(), properties.end(),
                     [&wanted](const ConfProperty& property) {
                       return property.section == wanted.section &&
                              property.key == wanted.key;
                     });
}

// The credentials of "http://user:password@host:port".
std::string Credentials(absl::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme != absl::string_view::npos) url.remove_prefix(scheme + 3);
  const size_t at = url.rfind('@');
  return at == absl::string_view::npos ? "" : std::string(url.substr(0, at));
}

}  // namespace

absl::StatusOr<std::vector<ConfProperty>> TenantProperties(
    const DesiredTenant& desired, const ConnectionDetails& tenant,
    const std::vector<ConfProperty>& from_tenant) {
  const std::vector<ConfProperty> own = NodeProperties(desired, tenant);
  std::vector<ConfProperty> all;
  for (const ConfProperty& property : from_tenant) {
    if (!Has(own, property)) all.push_back(property);
  }
  for (const ConfProperty& property : own) {
    if (!property.value.empty()) all.push_back(property);
  }
  for (const ConfProperty& property : all) {
    RETURN_IF_ERROR(CheckConfProperty(property));
  }
  return all;
}

std::string WithoutSecrets(std::string text, const DesiredTenant& desired,
                           const ConnectionDetails& tenant) {
  const std::array<std::string, 5> secrets = {
      desired.api_token, desired.other_token, desired.tenant_token,
      tenant.tenant_token, Credentials(desired.proxy)};
  for (const std::string& secret : secrets) {
    if (!secret.empty()) text = absl::StrReplaceAll(text, {{secret, "***"}});
  }
  for (char& c : text) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = ' ';
  }
  return CutText(text, kLongestReason);
}

}  // namespace oneagent
