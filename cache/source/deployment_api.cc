#include "cache/source/deployment_api.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "base/text.h"
#include "cache/conf/tenant_name.h"
#include "cache/http/http_header.h"
#include "cache/http/url.h"
#include "cache/source/throttle.h"
#include "proto/deployment.pb.h"
#include "proto/json.h"

namespace oneagent {
namespace {

constexpr char kInstallerPath[] = "/v1/deployment/installer/agent/";
// An agent is 0.4 to 1 GB unpacked; this leaves room to grow.
constexpr int64_t kMaxAgentBytes = int64_t{4} << 30;
constexpr int64_t kMaxJsonBytes = 16 << 20;
// Long enough for a tenant that is busy; one that is silent is asked again.
constexpr absl::Duration kJsonTimeout = absl::Seconds(30);
constexpr absl::Duration kJsonStall = absl::Seconds(15);
constexpr absl::Duration kAgentTimeout = absl::Minutes(15);
constexpr absl::Duration kAgentStall = absl::Seconds(30);
constexpr size_t kMaxServerMessage = 500;
constexpr size_t kMaxPageWords = 100;
constexpr size_t kMaxToken = 4096;
constexpr size_t kMaxEndpoints = 64 << 10;
constexpr size_t kMaxVersionsNamed = 20;

constexpr char kBitness[] = "64";

using Parameters = std::vector<std::pair<std::string, std::string>>;

std::string Url(const TenantAccess& access, absl::string_view path,
                const Parameters& parameters) {
  absl::string_view base = access.api_url;
  while (absl::ConsumeSuffix(&base, "/")) {
  }
  return absl::StrCat(base, kInstallerPath, path, QueryString(parameters));
}

// Secrets kept in files often end with a line break that is not part of them.
std::string Token(const TenantAccess& access) {
  return std::string(absl::StripAsciiWhitespace(access.token));
}

absl::StatusOr<FetchRequest> Request(const TenantAccess& access,
                                     absl::string_view path,
                                     const Parameters& parameters,
                                     absl::string_view accept) {
  const std::string token = Token(access);
  if (token.empty()) return absl::InvalidArgumentError("empty API token");
  if (!std::all_of(token.begin(), token.end(), [](char c) {
        return absl::ascii_isgraph(static_cast<unsigned char>(c));
      })) {
    return absl::InvalidArgumentError(
        "API token holds characters that no token has");
  }
  FetchRequest request;
  request.url = Url(access, path, parameters);
  request.headers = {absl::StrCat("Authorization: Api-Token ", token),
                     absl::StrCat("Accept: ", accept)};
  request.connection = access.connection;
  request.cancelled = access.cancelled;
  request.max_bytes = kMaxJsonBytes;
  request.timeout = kJsonTimeout;
  request.stall_timeout = kJsonStall;
  return request;
}

// Text of a server that means us no good, for a message: one line, not too
// long, and without the token that it may throw back at us.
std::string Presentable(const TenantAccess& access, absl::string_view text) {
  std::string result = absl::StrReplaceAll(text, {{Token(access), "(token)"}});
  if (result.size() > kMaxServerMessage) {
    result.resize(kMaxServerMessage);
    absl::StrAppend(&result, "...");
  }
  for (char& c : result) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = ' ';
  }
  return std::string(absl::StripAsciiWhitespace(result));
}

// The server's own words: {"error": {...}} or [{"error": {...}}]; "" when the
// body is something else.
std::string ServerMessage(const std::string& body) {
  absl::string_view text = absl::StripAsciiWhitespace(body);
  if (absl::ConsumePrefix(&text, "[") && absl::ConsumeSuffix(&text, "]")) {
    text = absl::StripAsciiWhitespace(text);
  }
  v1::ApiError error;
  if (!ParseJson(text, &error).ok()) return "";
  std::vector<std::string> parts = {error.error().message()};
  for (const v1::ConstraintViolation& violation :
       error.error().constraint_violations()) {
    parts.push_back(absl::StrCat(violation.path(),
                                 violation.path().empty() ? "" : ": ",
                                 violation.message()));
  }
  return absl::StrJoin(parts, "; ");
}

// The HTTP status decides, whatever code the body claims.
absl::StatusCode CodeOf(int http_status) {
  if (http_status == 401 || http_status == 403) {
    return absl::StatusCode::kPermissionDenied;
  }
  if (http_status == 404) return absl::StatusCode::kNotFound;
  if (http_status == 429 || http_status >= 500) {
    return absl::StatusCode::kUnavailable;
  }
  return absl::StatusCode::kInvalidArgument;
}

// "text/html from host: Please wait": no API answers so, but a proxy or a
// log-in between here and it.
std::string PageText(const TenantAccess& access, const FetchResult& answer) {
  std::string words;
  bool in_tag = false;
  for (const char c : answer.body) {
    if (c == '<') in_tag = true;
    const bool is_gap =
        in_tag || absl::ascii_isspace(static_cast<unsigned char>(c));
    if (c == '>') in_tag = false;
    if (!is_gap) {
      words.push_back(c);
    } else if (!words.empty() && words.back() != ' ') {
      words.push_back(' ');
    }
  }
  const auto type = answer.headers.find("content-type");
  return absl::StrCat("a page (",
                      type == answer.headers.end()
                          ? "no Content-Type"
                          : ShownText(type->second, kMaxPageWords),
                      ") from ", HostPortOf(access.api_url).host, ": \"",
                      CutText(Presentable(access, words), kMaxPageWords), "\"");
}

absl::Status Throttled(const FetchResult& answer, absl::Status status) {
  const auto found = answer.headers.find("retry-after");
  const bool has_time = found != answer.headers.end();
  if (answer.http_status != 429 && !(has_time && answer.http_status == 503)) {
    return status;
  }
  const std::optional<absl::Duration> asked =
      has_time ? ParseRetryAfter(found->second, absl::Now()) : std::nullopt;
  return WithThrottle(std::move(status), asked.value_or(absl::ZeroDuration()));
}

// OK for 200. A redirect that reaches us led to another host.
absl::Status CheckAnswer(const TenantAccess& access,
                         const FetchResult& answer) {
  if (answer.http_status == 200) return absl::OkStatus();
  std::string message = absl::StrCat("HTTP ", answer.http_status);
  const std::string said =
      answer.http_status / 100 == 3
          ? "redirect that is not followed"
          : Presentable(access, ServerMessage(answer.body));
  if (!said.empty()) absl::StrAppend(&message, ": ", said);
  if (answer.is_page) absl::StrAppend(&message, ": ", PageText(access, answer));
  return Throttled(answer, absl::Status(CodeOf(answer.http_status), message));
}

absl::Status NotJson(const TenantAccess& access, const FetchResult& answer) {
  std::string message = absl::StrCat(
      "answer of ", answer.bytes, " bytes is not the JSON that was expected");
  if (answer.is_page) {
    absl::StrAppend(&message, " but ", PageText(access, answer));
  }
  return absl::InvalidArgumentError(message);
}

// Protobuf's cause quotes the body, which may hold a tenant token.
absl::Status ParseBody(const TenantAccess& access, const FetchResult& answer,
                       google::protobuf::Message* message) {
  if (ParseJson(answer.body, message).ok()) return absl::OkStatus();
  return NotJson(access, answer);
}

absl::Status GetJson(Fetcher& fetcher, const TenantAccess& access,
                     absl::string_view path, const Parameters& parameters,
                     google::protobuf::Message* message) {
  ASSIGN_OR_RETURN(const FetchRequest request,
                   Request(access, path, parameters, "application/json"));
  ASSIGN_OR_RETURN(const FetchResult answer, fetcher.Fetch(request));
  RETURN_IF_ERROR(CheckAnswer(access, answer));
  return ParseBody(access, answer, message);
}

// What may stand as a version in a path and in messages.
absl::Status CheckVersion(absl::string_view version) {
  const bool fine =
      !version.empty() && version.size() <= 128 &&
      absl::ascii_isalnum(static_cast<unsigned char>(version[0])) &&
      std::all_of(version.begin(), version.end(), [](char c) {
        return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' ||
               c == '-' || c == '_' || c == '+';
      });
  return fine ? absl::OkStatus()
              : absl::InvalidArgumentError("not an agent version");
}

bool IsBoundedText(absl::string_view text, size_t most) {
  return text.size() <= most &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return !absl::ascii_iscntrl(static_cast<unsigned char>(c));
         });
}

// It all ends up in files, rows, tables and log lines.
absl::Status CheckDetails(const ConnectionDetails& details) {
  if (details.tenant_uuid.empty()) {
    return absl::InvalidArgumentError("answer without tenantUUID");
  }
  if (!IsTenantName(details.tenant_uuid)) {
    return absl::InvalidArgumentError("tenantUUID: not a tenant's name");
  }
  if (!IsBoundedText(details.tenant_token, kMaxToken)) {
    return absl::InvalidArgumentError("tenantToken: not a token");
  }
  if (!IsBoundedText(details.endpoints, kMaxEndpoints)) {
    return absl::InvalidArgumentError(
        "communicationEndpoints: not a list of endpoints");
  }
  return absl::OkStatus();
}

std::string NameVersions(std::vector<std::string> versions) {
  const size_t more = versions.size() > kMaxVersionsNamed
                          ? versions.size() - kMaxVersionsNamed
                          : 0;
  // The API lists the oldest first.
  versions.erase(versions.begin(),
                 versions.begin() + static_cast<ptrdiff_t>(more));
  return absl::StrCat("available: ", more > 0 ? "..., " : "",
                      absl::StrJoin(versions, ", "));
}

}  // namespace

Platform ThisPlatform() {
#if defined(__x86_64__)
  return {.arch = "x86", .flavor = "multidistro"};
#elif defined(__aarch64__)
  return {.arch = "arm", .flavor = "multidistro"};
#else
#error "no agent is known for this architecture"
#endif
}

absl::StatusOr<std::string> DeploymentApi::LatestVersion(
    const TenantAccess& access, const Platform& platform) {
  v1::LatestAgentVersion latest;
  absl::Status status = GetJson(fetcher_, access, "unix/paas/latest/metainfo",
                                {{"bitness", kBitness},
                                 {"flavor", platform.flavor},
                                 {"arch", platform.arch}},
                                &latest);
  if (status.ok()) status = CheckVersion(latest.latest_agent_version());
  if (!status.ok()) return Annotate(status, "latest agent version");
  return latest.latest_agent_version();
}

absl::StatusOr<std::vector<std::string>> DeploymentApi::AvailableVersions(
    const TenantAccess& access, const Platform& platform) {
  v1::AvailableVersions available;
  const absl::Status status = GetJson(
      fetcher_, access, "versions/unix/paas",
      {{"flavor", platform.flavor}, {"arch", platform.arch}}, &available);
  if (!status.ok()) return Annotate(status, "available agent versions");
  std::vector<std::string> versions;
  for (const std::string& version : available.available_versions()) {
    if (CheckVersion(version).ok()) versions.push_back(version);
  }
  return versions;
}

absl::StatusOr<FetchResult> DeploymentApi::DownloadAgent(
    const TenantAccess& access, const Platform& platform,
    absl::string_view version, const std::string& file,
    const std::function<void(int64_t, int64_t)>& progress) {
  RETURN_IF_ERROR(Annotate(CheckVersion(version), "download agent"));
  const std::string object = absl::StrCat("download agent ", version);
  absl::StatusOr<FetchRequest> request = Request(
      access, absl::StrCat("unix/paas/version/", PercentEncode(version)),
      {{"flavor", platform.flavor},
       {"arch", platform.arch},
       {"bitness", kBitness},
       {"skipMetadata", "true"},
       {"include", "all"}},
      "application/octet-stream");
  if (!request.ok()) return Annotate(request.status(), object);
  request->max_bytes = kMaxAgentBytes;
  request->timeout = kAgentTimeout;
  request->stall_timeout = kAgentStall;
  request->file = file;
  request->progress = progress;
  absl::StatusOr<FetchResult> answer = fetcher_.Fetch(*request);
  if (!answer.ok()) return Annotate(answer.status(), object);
  const absl::Status status = Annotate(CheckAnswer(access, *answer), object);
  if (status.code() == absl::StatusCode::kNotFound) {
    const auto versions = AvailableVersions(access, platform);
    if (versions.ok() && !versions->empty()) {
      return absl::NotFoundError(
          absl::StrCat(status.message(), " (", NameVersions(*versions), ")"));
    }
  }
  if (!status.ok()) return status;
  if (!answer->is_page) return answer;
  return absl::InvalidArgumentError(
      absl::StrCat(object, ": not an archive but ", PageText(access, *answer)));
}

std::string DeploymentApi::AgentUrl(const TenantAccess& access,
                                    absl::string_view version) {
  return Url(access, absl::StrCat("unix/paas/version/", PercentEncode(version)),
             {});
}

absl::StatusOr<std::optional<ConnectionDetails>> DeploymentApi::ConnectionInfo(
    const TenantAccess& access) {
  constexpr char kObject[] = "connection info";
  Parameters parameters;
  if (!access.network_zone.empty()) {
    parameters = {{"networkZone", access.network_zone},
                  {"defaultZoneFallback", "true"}};
  }
  const absl::StatusOr<FetchRequest> request =
      Request(access, "connectioninfo", parameters, "application/json");
  if (!request.ok()) return Annotate(request.status(), kObject);
  const absl::StatusOr<FetchResult> answer = fetcher_.Fetch(*request);
  if (!answer.ok()) return Annotate(answer.status(), kObject);
  if (answer->http_status == 400) return std::nullopt;
  v1::ConnectionInfo info;
  absl::Status status = CheckAnswer(access, *answer);
  if (status.ok()) status = ParseBody(access, *answer, &info);
  ConnectionDetails details = {
      .tenant_uuid = info.tenant_uuid(),
      .tenant_token = info.tenant_token(),
      .endpoints = info.formatted_communication_endpoints().empty()
                       ? absl::StrJoin(info.communication_endpoints(), ";")
                       : info.formatted_communication_endpoints()};
  if (status.ok()) status = CheckDetails(details);
  if (!status.ok()) return Annotate(status, kObject);
  return details;
}

absl::StatusOr<std::optional<ProcessConfig>> DeploymentApi::GetProcessConfig(
    const TenantAccess& access, int64_t revision) {
  constexpr char kObject[] = "process module config";
  const absl::StatusOr<FetchRequest> request = Request(
      access, "processmoduleconfig",
      {{"revision", absl::StrCat(revision)}, {"hostgroup", access.host_group}},
      "application/json");
  if (!request.ok()) return Annotate(request.status(), kObject);
  const absl::StatusOr<FetchResult> answer = fetcher_.Fetch(*request);
  if (!answer.ok()) return Annotate(answer.status(), kObject);
  if (answer->http_status == 304 || answer->http_status == 404) {
    return std::nullopt;
  }
  const absl::Status status = CheckAnswer(access, *answer);
  if (!status.ok()) return Annotate(status, kObject);
  if (answer->is_page) return Annotate(NotJson(access, *answer), kObject);
  if (IsEmptyProcessConfig(answer->body)) return std::nullopt;
  absl::StatusOr<ProcessConfig> result = ParseProcessConfig(answer->body);
  if (result.ok()) return *std::move(result);
  // It names the property, and names come from the server too.
  return absl::InvalidArgumentError(absl::StrCat(
      kObject, ": ", Presentable(access, result.status().message())));
}

}  // namespace oneagent
