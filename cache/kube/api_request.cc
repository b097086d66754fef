#include "cache/kube/api_request.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "cache/http/curl.h"
#include "cache/http/url.h"
#include "proto/json.h"
#include "proto/kube_api.pb.h"

namespace oneagent {
namespace {

// Of a refusal's text; enough for any of Kubernetes' own.
constexpr size_t kMaxMessage = 500;

absl::StatusCode CodeOf(int http_status) {
  switch (http_status) {
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kNotFound;
    case 409:
      return absl::StatusCode::kAlreadyExists;
    case 410:
      return absl::StatusCode::kOutOfRange;
    case 429:
      return absl::StatusCode::kUnavailable;
    default:
      return http_status >= 500 ? absl::StatusCode::kUnavailable
                                : absl::StatusCode::kInvalidArgument;
  }
}

// The server's own words, bounded, on one line; "" when there are none.
std::string MessageOf(const ApiAnswer& answer) {
  v1::ApiStatus status;
  if (!ParseJson(answer.body, &status).ok()) return "";
  return PrintableText(status.message().substr(0, kMaxMessage));
}

std::string Described(absl::string_view verb, const ApiResource& resource) {
  std::string text = absl::StrCat(verb, " ", resource.resource);
  if (!resource.name.empty()) absl::StrAppend(&text, " ", resource.name);
  if (!resource.namespace_name.empty()) {
    absl::StrAppend(&text, " in namespace ", resource.namespace_name);
  }
  return text;
}

std::string MissingRule(absl::string_view verb, const ApiResource& resource) {
  return absl::StrCat(
      resource.namespace_name.empty()
          ? "the ClusterRole"
          : absl::StrCat("the Role in namespace ", resource.namespace_name),
      " needs the rule {apiGroups: [\"", resource.group, "\"], resources: [\"",
      resource.resource, resource.subresource.empty() ? "" : "/",
      resource.subresource, "\"], verbs: [\"", verb, "\"]}");
}

}  // namespace

std::string ApiResource::Path() const {
  std::string path = group.empty()
                         ? absl::StrCat("/api/", version)
                         : absl::StrCat("/apis/", group, "/", version);
  if (!namespace_name.empty()) {
    absl::StrAppend(&path, "/namespaces/", PercentEncode(namespace_name));
  }
  absl::StrAppend(&path, "/", resource);
  if (!name.empty()) absl::StrAppend(&path, "/", PercentEncode(name));
  if (!subresource.empty()) absl::StrAppend(&path, "/", subresource);
  return path;
}

absl::Status ApiError(absl::string_view verb, const ApiResource& resource,
                      const ApiAnswer& answer) {
  if (answer.code >= 200 && answer.code < 300) return absl::OkStatus();
  std::string text = absl::StrCat(Described(verb, resource), ": ", answer.code);
  const std::string message = MessageOf(answer);
  if (!message.empty()) absl::StrAppend(&text, " ", message);
  if (answer.code == 403) {
    absl::StrAppend(&text, "; ", MissingRule(verb, resource));
  }
  return absl::Status(CodeOf(answer.code), text);
}

}  // namespace oneagent
