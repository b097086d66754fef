#include "cache/kube/access_config.h"

#include <stdlib.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/durable_file.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "cache/http/url.h"
#include "cache/kube/yaml_json.h"
#include "proto/json.h"
#include "proto/kube_api.pb.h"

namespace oneagent {
namespace {

constexpr int64_t kMaxFileBytes = 1 << 20;
// What kubectl assumes.
constexpr char kDefaultNamespace[] = "default";

std::string Variable(const char* name) {
  // Nobody changes the environment of this process.
  const char* const value = getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? "" : value;
}

absl::Status Invalid(absl::string_view object, absl::string_view cause) {
  return absl::InvalidArgumentError(absl::StrCat(object, ": ", cause));
}

absl::StatusOr<std::string> MountedFile(const PodSurroundings& pod,
                                        absl::string_view name) {
  const absl::StatusOr<std::string> content =
      ReadWholeFile(absl::StrCat(pod.service_account_dir, "/", name),
                    kMaxFileBytes, LastLink::kFollow);
  if (content.ok()) return std::string(absl::StripAsciiWhitespace(*content));
  return WithCode(Annotate(content.status(), "service account"),
                  absl::StatusCode::kFailedPrecondition);
}

// Paths and errors of one kubeconfig.
class Kubeconfig {
 public:
  Kubeconfig(std::string file, v1::Kubeconfig content)
      : file_(std::move(file)), content_(std::move(content)) {}

  absl::StatusOr<ApiAccess> Access() const {
    if (content_.current_context().empty()) {
      return Invalid(file_, "no current-context");
    }
    ApiAccess access;
    for (const v1::NamedContext& each : content_.contexts()) {
      if (each.name() != content_.current_context()) continue;
      access.namespace_name = each.context().namespace_().empty()
                                  ? kDefaultNamespace
                                  : each.context().namespace_();
      RETURN_IF_ERROR(TakeCluster(each.context().cluster(), access));
      RETURN_IF_ERROR(TakeUser(each.context().user(), access));
      return access;
    }
    return Invalid(file_, absl::StrCat("context ", content_.current_context(),
                                       ": not defined"));
  }

 private:
  absl::Status TakeCluster(const std::string& name, ApiAccess& access) const {
    const std::string what = absl::StrCat(file_, ": cluster ", name);
    for (const v1::NamedCluster& each : content_.clusters()) {
      if (each.name() != name) continue;
      const v1::KubeCluster& cluster = each.cluster();
      access.server = std::string(absl::StripSuffix(cluster.server(), "/"));
      const absl::Status usable = CheckUrl(access.server);
      if (!usable.ok()) return Annotate(usable, absl::StrCat(what, ": server"));
      if (!cluster.proxy_url().empty()) {
        return Invalid(what, "proxy-url is not supported");
      }
      access.skip_cert_check = cluster.insecure_skip_tls_verify();
      access.tls_server_name = cluster.tls_server_name();
      ASSIGN_OR_RETURN(access.ca, Pem(what, "certificate-authority",
                                      cluster.certificate_authority(),
                                      cluster.certificate_authority_data()));
      return absl::OkStatus();
    }
    return Invalid(what, "not defined");
  }

  absl::Status TakeUser(const std::string& name, ApiAccess& access) const {
    const std::string what = absl::StrCat(file_, ": user ", name);
    for (const v1::NamedUser& each : content_.users()) {
      if (each.name() != name) continue;
      const v1::KubeUser& user = each.user();
      RETURN_IF_ERROR(CheckServed(what, user));
      access.token = user.token();
      if (!user.token_file().empty()) {
        access.token_file = PathOf(user.token_file());
      }
      ASSIGN_OR_RETURN(
          access.client_certificate,
          Pem(what, "client-certificate", user.client_certificate(),
              user.client_certificate_data()));
      ASSIGN_OR_RETURN(
          access.client_key,
          Pem(what, "client-key", user.client_key(), user.client_key_data()));
      if (access.client_certificate.IsEmpty() != access.client_key.IsEmpty()) {
        return Invalid(what, "a client certificate and its key go together");
      }
      return absl::OkStatus();
    }
    return Invalid(what, "not defined");
  }

  static absl::Status CheckServed(const std::string& what,
                                  const v1::KubeUser& user) {
    constexpr char kUseInstead[] =
        " is not supported, use a token or a client certificate";
    if (user.has_exec()) {
      return Invalid(what, absl::StrCat("exec plugin", kUseInstead));
    }
    if (user.has_auth_provider()) {
      return Invalid(what, absl::StrCat("auth-provider", kUseInstead));
    }
    if (!user.username().empty()) {
      return Invalid(what, absl::StrCat("username and password", kUseInstead));
    }
    if (!user.impersonated_user().empty()) {
      return Invalid(what, "as (impersonation) is not supported");
    }
    return absl::OkStatus();
  }

  // Data stands over a file, as for kubectl.
  absl::StatusOr<PemSource> Pem(const std::string& what,
                                absl::string_view field,
                                const std::string& file,
                                const std::string& data) const {
    PemSource pem;
    if (!data.empty()) {
      if (absl::Base64Unescape(data, &pem.text)) return pem;
      return Invalid(what, absl::StrCat(field, "-data: not base64"));
    }
    if (file.empty()) return pem;
    pem.file = PathOf(file);
    const absl::StatusOr<std::string> content =
        ReadWholeFile(pem.file, kMaxFileBytes, LastLink::kFollow);
    if (content.ok()) return pem;
    return Annotate(content.status(), absl::StrCat(what, ": ", field));
  }

  std::string PathOf(const std::string& path) const {
    if (absl::StartsWith(path, "/")) return path;
    const size_t slash = file_.rfind('/');
    if (slash == std::string::npos) return path;
    return absl::StrCat(file_.substr(0, slash + 1), path);
  }

  const std::string file_;
  const v1::Kubeconfig content_;
};

}  // namespace

PodSurroundings PodSurroundings::FromEnvironment() {
  return {.service_host = Variable("KUBERNETES_SERVICE_HOST"),
          .service_port = Variable("KUBERNETES_SERVICE_PORT")};
}

absl::StatusOr<ApiAccess> InClusterAccess(const PodSurroundings& pod) {
  if (!pod.IsPod()) {
    return absl::FailedPreconditionError(
        "KUBERNETES_SERVICE_HOST is not set: not in a pod");
  }
  int port = 0;
  if (!absl::SimpleAtoi(pod.service_port, &port) || port < 1 || port > 65535) {
    return absl::FailedPreconditionError(absl::StrCat(
        "KUBERNETES_SERVICE_PORT=", absl::CHexEscape(pod.service_port),
        ": not a port"));
  }
  const bool is_v6 = absl::StrContains(pod.service_host, ':') &&
                     !absl::StartsWith(pod.service_host, "[");
  ApiAccess access;
  access.server = absl::StrCat("https://", is_v6 ? "[" : "", pod.service_host,
                               is_v6 ? "]" : "", ":", port);
  RETURN_IF_ERROR(MountedFile(pod, "token").status());
  RETURN_IF_ERROR(MountedFile(pod, "ca.crt").status());
  access.token_file = absl::StrCat(pod.service_account_dir, "/token");
  access.ca.file = absl::StrCat(pod.service_account_dir, "/ca.crt");
  ASSIGN_OR_RETURN(access.namespace_name, MountedFile(pod, "namespace"));
  return access;
}

absl::StatusOr<ApiAccess> KubeconfigAccess(const std::string& file) {
  ASSIGN_OR_RETURN(const std::string text,
                   ReadWholeFile(file, kMaxFileBytes, LastLink::kFollow));
  const std::vector<YamlDocument> documents = ReadYamlDocuments(text);
  if (documents.size() != 1) return Invalid(file, "not one YAML document");
  if (!documents[0].json.ok()) {
    return Invalid(absl::StrCat(file, ":", documents[0].line),
                   documents[0].json.status().message());
  }
  v1::Kubeconfig content;
  // The parser's own text may hold a value.
  if (!ParseJson(*documents[0].json, &content).ok()) {
    return Invalid(file, "not a kubeconfig");
  }
  return Kubeconfig(file, std::move(content)).Access();
}

}  // namespace oneagent
