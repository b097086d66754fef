#include "cache/kube/desired_state.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <array>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "cache/conf/tenant_name.h"
#include "cache/http/trusted_pem.h"
#include "cache/http/url.h"

namespace oneagent {
namespace {

// The newer prefix wins.
constexpr std::array<absl::string_view, 2> kFeaturePrefixes = {
    "feature.dynatrace.com/", "alpha.operator.dynatrace.com/feature-"};

// A day: nobody waits longer for a new version on purpose.
constexpr int32_t kLongestApiPauseMinutes = 24 * 60;

// Of the Secret with the tenant's token, after the DynaKube's name.
constexpr char kTenantSecret[] = "-oneagent-tenant-secret";

std::string Feature(const v1::DynaKube& dynakube, absl::string_view name) {
  const auto& annotations = dynakube.metadata().annotations();
  for (const absl::string_view prefix : kFeaturePrefixes) {
    const auto found = annotations.find(absl::StrCat(prefix, name));
    if (found != annotations.end()) return found->second;
  }
  return "";
}

template <typename Objects>
auto FindObject(const Objects& objects, absl::string_view namespace_name,
                absl::string_view name) -> decltype(&objects[0]) {
  for (const auto& object : objects) {
    if (object.metadata().namespace_() == namespace_name &&
        object.metadata().name() == name) {
      return &object;
    }
  }
  return nullptr;
}

std::string DataOf(const v1::Secret& secret, const std::string& key) {
  const auto found = secret.data().find(key);
  if (found == secret.data().end()) return "";
  return std::string(absl::StripAsciiWhitespace(found->second));
}

absl::Status Missing(absl::string_view what, absl::string_view cause) {
  return absl::FailedPreconditionError(absl::StrCat(what, ": ", cause));
}

absl::Status Unusable(absl::string_view what, absl::string_view cause) {
  return absl::InvalidArgumentError(absl::StrCat(what, ": ", cause));
}

// Why an object that is referred to is not among those that can be read.
absl::Status NotThere(const ClusterState& state, const std::string& object,
                      absl::string_view role) {
  for (const BrokenObject& broken : state.broken_objects) {
    if (broken.object == object) return Unusable(object, broken.cause);
  }
  return Missing(object, absl::StrCat("not found (", role, ")"));
}

// A token goes into a header, a proxy into a URL: a line break in one would
// write a header of its own.
bool IsPlainWord(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c));
  });
}

const v1::OneAgentMode& ModeOf(const v1::OneAgentSpec& spec) {
  if (spec.has_cloud_native_full_stack()) return spec.cloud_native_full_stack();
  if (spec.has_application_monitoring()) return spec.application_monitoring();
  if (spec.has_classic_full_stack()) return spec.classic_full_stack();
  return spec.host_monitoring();
}

bool NeedsAgent(const v1::DynaKube& dynakube) {
  const v1::OneAgentSpec& spec = dynakube.spec().one_agent();
  if (spec.has_cloud_native_full_stack()) return true;
  if (!spec.has_application_monitoring()) return false;
  // The first two versions left the choice; since then it is the driver's.
  const bool has_choice = absl::EndsWith(dynakube.api_version(), "/v1beta1") ||
                          absl::EndsWith(dynakube.api_version(), "/v1beta2");
  return !has_choice || spec.application_monitoring().use_csi_driver();
}

std::string HostGroup(const v1::OneAgentSpec& spec) {
  if (!spec.host_group().empty()) return spec.host_group();
  for (const std::string& arg : ModeOf(spec).args()) {
    absl::string_view value = arg;
    if (absl::ConsumePrefix(&value, "--set-host-group=")) {
      return std::string(value);
    }
  }
  return "";
}

// The operator writes the literal "custom-image" where an image has no
// version of its own. A version becomes part of a URL.
absl::StatusOr<std::string> Version(const v1::DynaKube& dynakube) {
  const std::string& status = dynakube.status().code_modules().version();
  const bool pinned = status.empty() || status == "custom-image";
  const std::string version =
      pinned ? ModeOf(dynakube.spec().one_agent()).version() : status;
  const bool plain = std::all_of(version.begin(), version.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' ||
           c == '-' || c == '_';
  });
  if (plain && version.size() <= 64 && !absl::StartsWith(version, ".")) {
    return version;
  }
  return Unusable(
      pinned ? "spec.oneAgent version" : "status.codeModules.version",
      "not an agent version");
}

absl::StatusOr<std::string> ApiUrl(const std::string& url) {
  const std::string plain(absl::StripSuffix(url, "/"));
  if (plain.empty()) return Unusable("spec.apiUrl", "missing");
  const absl::Status checked = CheckUrl(plain);
  if (!checked.ok()) return Unusable("spec.apiUrl", checked.message());
  if (!IsPlainWord(plain) || absl::StrContains(plain, '?') ||
      absl::StrContains(plain, '#')) {
    return Unusable("spec.apiUrl", "not a plain URL of an API");
  }
  return plain;
}

const std::string& TokensSecret(const v1::DynaKube& dynakube) {
  const std::string& tokens = dynakube.spec().tokens();
  return tokens.empty() ? dynakube.metadata().name() : tokens;
}

// A DNS-1123 subdomain, as names of Secrets and ConfigMaps are.
bool IsObjectName(absl::string_view name) {
  return !name.empty() && name.size() <= 253 &&
         std::all_of(name.begin(), name.end(), [](char c) {
           const auto u = static_cast<unsigned char>(c);
           return absl::ascii_islower(u) || absl::ascii_isdigit(u) ||
                  c == '-' || c == '.';
         });
}

// As the operator: apiToken, which today's tenants accept for everything.
absl::Status TakeTokens(const v1::DynaKube& dynakube, const ClusterState& state,
                        DesiredTenant& desired) {
  const v1::ObjectMeta& meta = dynakube.metadata();
  const std::string& name = TokensSecret(dynakube);
  const std::string what =
      absl::StrCat("Secret ", meta.namespace_(), "/", name);
  const v1::Secret* secret = FindObject(state.secrets, meta.namespace_(), name);
  if (secret == nullptr) return NotThere(state, what, "tokens");
  std::string token = DataOf(*secret, "apiToken");
  std::string other = DataOf(*secret, "paasToken");
  if (token.empty()) token.swap(other);
  if (token.empty()) return Missing(what, "no key apiToken or paasToken");
  if (!IsPlainWord(token)) {
    return Unusable(what, "the token holds blanks or control characters");
  }
  desired.api_token = token;
  if (other != token && IsPlainWord(other)) desired.other_token = other;
  return absl::OkStatus();
}

absl::StatusOr<std::string> ProxyOf(const v1::DynaKube& dynakube,
                                    const ClusterState& state) {
  const v1::Proxy& proxy = dynakube.spec().proxy();
  const v1::ObjectMeta& meta = dynakube.metadata();
  if (proxy.value_from().empty()) {
    if (IsPlainWord(proxy.value())) return proxy.value();
    return Unusable("spec.proxy.value", "holds blanks or control characters");
  }
  const std::string what =
      absl::StrCat("Secret ", meta.namespace_(), "/", proxy.value_from());
  const v1::Secret* secret =
      FindObject(state.secrets, meta.namespace_(), proxy.value_from());
  if (secret == nullptr) return NotThere(state, what, "spec.proxy");
  std::string value = DataOf(*secret, "proxy");
  if (value.empty()) return Missing(what, "no key proxy");
  if (!IsPlainWord(value)) {
    return Unusable(what, "the proxy holds blanks or control characters");
  }
  return value;
}

absl::Status TakeTrustedCas(const v1::DynaKube& dynakube,
                            const ClusterState& state, DesiredTenant& desired) {
  const std::string& name = dynakube.spec().trusted_cas();
  if (name.empty()) return absl::OkStatus();
  const std::string& namespace_name = dynakube.metadata().namespace_();
  const std::string what =
      absl::StrCat("ConfigMap ", namespace_name, "/", name);
  const v1::ConfigMap* config_map =
      FindObject(state.config_maps, namespace_name, name);
  if (config_map == nullptr) return NotThere(state, what, "trustedCAs");
  const auto certs = config_map->data().find("certs");
  if (certs == config_map->data().end() || certs->second.empty()) {
    return Missing(what, "no key certs");
  }
  const TrustedPem trusted = ReadTrustedPem(certs->second);
  const std::string key = absl::StrCat(what, ": certs");
  if (trusted.pem.empty()) return Unusable(key, trusted.left_out);
  if (!trusted.left_out.empty()) {
    desired.remarks.push_back(
        absl::StrCat(key, ": left out: ", trusted.left_out));
  }
  desired.trusted_cas = trusted.pem;
  return absl::OkStatus();
}

// From a Secret that the operator writes, "<dynakube><suffix>"; "" without it.
std::string OperatorsData(const v1::DynaKube& dynakube,
                          const ClusterState& state, absl::string_view suffix,
                          const std::string& key) {
  const v1::ObjectMeta& meta = dynakube.metadata();
  const v1::Secret* secret = FindObject(state.secrets, meta.namespace_(),
                                        absl::StrCat(meta.name(), suffix));
  return secret == nullptr ? "" : DataOf(*secret, key);
}

// Maps have no order of their own.
std::string Deterministic(const google::protobuf::Message& message) {
  std::string text;
  {
    google::protobuf::io::StringOutputStream stream(&text);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializePartialToCodedStream(&coded);
  }
  return text;
}

template <typename Object>
std::string DataText(Object object) {
  object.clear_metadata();
  return Deterministic(object);
}

// In minutes, in the spec or, before there was a field, in an annotation.
absl::Duration ApiPause(const v1::DynaKube& dynakube) {
  int32_t minutes = dynakube.spec().dynatrace_api_request_threshold();
  if (minutes == 0 &&
      !absl::SimpleAtoi(Feature(dynakube, "dynatrace-api-request-threshold"),
                        &minutes)) {
    minutes = 0;
  }
  return absl::Minutes(std::clamp(minutes, 0, kLongestApiPauseMinutes));
}

}  // namespace

std::vector<ObjectReference> ReferencesOf(const v1::DynaKube& dynakube) {
  using Kind = ObjectReference::Kind;
  const std::string& name = dynakube.metadata().name();
  std::vector<ObjectReference> references;
  const auto add = [&](Kind kind, std::string object) {
    if (IsObjectName(object)) references.push_back({kind, std::move(object)});
  };
  add(Kind::kSecret, TokensSecret(dynakube));
  add(Kind::kSecret, absl::StrCat(name, kTenantSecret));
  add(Kind::kSecret, absl::StrCat(name, kProcessConfigSecret));
  add(Kind::kSecret, dynakube.spec().proxy().value_from());
  add(Kind::kConfigMap, dynakube.spec().trusted_cas());
  return references;
}

int32_t MaxMountAttempts(const v1::DynaKube& dynakube) {
  int32_t attempts = 0;
  if (!absl::SimpleAtoi(Feature(dynakube, "max-csi-mount-attempts"),
                        &attempts) ||
      attempts < 0) {
    return 0;
  }
  return std::max(attempts, 1);
}

absl::StatusOr<DesiredTenant> DesiredTenantOf(const v1::DynaKube& dynakube,
                                              const ClusterState& state) {
  const v1::DynaKubeSpec& spec = dynakube.spec();
  const v1::ConnectionInfoStatus& connection =
      dynakube.status().one_agent().connection_info_status();
  DesiredTenant desired;
  desired.dynakube = dynakube.metadata().name();
  desired.namespace_name = dynakube.metadata().namespace_();
  desired.needs_agent = NeedsAgent(dynakube);
  desired.image = ModeOf(spec.one_agent()).code_modules_image();
  desired.tenant_uuid = connection.tenant_uuid();
  desired.tenant_token =
      OperatorsData(dynakube, state, kTenantSecret, "tenant-token");
  desired.process_config =
      OperatorsData(dynakube, state, kProcessConfigSecret, kProcessConfigKey);
  desired.endpoints = connection.endpoints();
  desired.network_zone = spec.network_zone();
  desired.host_group = HostGroup(spec.one_agent());
  desired.no_proxy = Feature(dynakube, "no-proxy");
  desired.agent_ignores_proxy =
      Feature(dynakube, "oneagent-ignore-proxy") == "true";
  desired.skip_cert_check = spec.skip_cert_check();
  desired.max_attempts = MaxMountAttempts(dynakube);
  desired.api_pause = ApiPause(dynakube);
  if (!desired.tenant_uuid.empty() && !IsTenantName(desired.tenant_uuid)) {
    return Unusable("status.oneAgent.connectionInfoStatus.tenantUUID",
                    "not a tenant's name");
  }
  const absl::Status tokens = TakeTokens(dynakube, state, desired);
  if (desired.needs_agent) RETURN_IF_ERROR(tokens);
  ASSIGN_OR_RETURN(desired.version, Version(dynakube));
  ASSIGN_OR_RETURN(desired.api_url, ApiUrl(spec.api_url()));
  ASSIGN_OR_RETURN(desired.proxy, ProxyOf(dynakube, state));
  RETURN_IF_ERROR(TakeTrustedCas(dynakube, state, desired));
  return desired;
}

std::string SourceDigest(const v1::DynaKube& dynakube,
                         const ClusterState& state) {
  v1::DynaKube own = dynakube;
  // What changes with every heartbeat of whoever else writes to it.
  own.mutable_metadata()->clear_resource_version();
  std::string all = Deterministic(own);
  const std::string& namespace_name = dynakube.metadata().namespace_();
  for (const ObjectReference& each : ReferencesOf(dynakube)) {
    const v1::Secret* const secret =
        each.kind == ObjectReference::Kind::kSecret
            ? FindObject(state.secrets, namespace_name, each.name)
            : nullptr;
    const v1::ConfigMap* const config_map =
        each.kind == ObjectReference::Kind::kConfigMap
            ? FindObject(state.config_maps, namespace_name, each.name)
            : nullptr;
    if (secret != nullptr) all += DataText(*secret);
    if (config_map != nullptr) all += DataText(*config_map);
  }
  return Sha256Hex(all);
}

}  // namespace oneagent
