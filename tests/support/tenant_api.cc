#include "tests/support/tenant_api.h"

#include <httplib.h>
#include <stdlib.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/durable_file.h"
#include "base/sha256.h"
#include "proto/deployment.pb.h"
#include "proto/json.h"
#include "tests/support/self_signed.h"

namespace oneagent {
namespace {

constexpr size_t kChunk = 64 << 10;
constexpr char kInstaller[] = "/v1/deployment/installer/agent/";

std::string ErrorBody(int status, const std::string& message) {
  v1::ApiError error;
  error.mutable_error()->set_code(status);
  error.mutable_error()->set_message(message);
  return PrintJson(error);
}

std::string LatestOf(const ServedTenant& state) {
  if (!state.latest.empty()) return state.latest;
  return state.agents.empty() ? "" : state.agents.rbegin()->first;
}

std::string ConnectionInfoBody(const ServedTenant& state) {
  v1::ConnectionInfo info;
  info.set_tenant_uuid(state.tenant_uuid);
  info.set_tenant_token(state.tenant_token);
  for (const std::string& endpoint : state.endpoints) {
    info.add_communication_endpoints(endpoint);
  }
  info.set_formatted_communication_endpoints(
      absl::StrJoin(state.endpoints, ","));
  return PrintJson(info);
}

std::string ProcessConfigBody(const ServedTenant& state) {
  v1::ProcessModuleConfig config;
  for (const TenantProperty& property : state.properties) {
    v1::ProcessModuleProperty* const added = config.add_properties();
    added->set_section(property.section);
    added->set_key(property.key);
    added->set_value(property.value);
  }
  // Protobuf's mapping would quote the 64-bit number; the API does not.
  const std::string properties = PrintJson(config);
  const absl::string_view rest = absl::StripPrefix(properties, "{");
  return absl::StrCat("{\"revision\": ", state.revision,
                      state.properties.empty() ? "" : ",", rest);
}

struct JsonAnswer {
  int status = 200;
  std::string body;
};

JsonAnswer Refusal(int status, const std::string& message) {
  return {status, ErrorBody(status, message)};
}

// Everything but archives; `path` is what follows kInstaller.
JsonAnswer AnswerJson(absl::string_view path, const httplib::Request& request,
                      const ServedTenant& state) {
  if (path == "unix/paas/latest/metainfo") {
    v1::LatestAgentVersion latest;
    latest.set_latest_agent_version(LatestOf(state));
    return {200, PrintJson(latest)};
  }
  if (path == "versions/unix/paas") {
    v1::AvailableVersions versions;
    for (const auto& agent : state.agents) {
      versions.add_available_versions(agent.first);
    }
    return {200, PrintJson(versions)};
  }
  if (path == "connectioninfo") {
    const std::string zone = request.get_param_value("networkZone");
    const auto& zones = state.network_zones;
    if (!zone.empty() &&
        std::find(zones.begin(), zones.end(), zone) == zones.end()) {
      return Refusal(400, absl::StrCat("no network zone ", zone));
    }
    return {200, ConnectionInfoBody(state)};
  }
  if (path == "processmoduleconfig") {
    if (!state.has_process_config) return Refusal(404, "not supported");
    if (request.get_param_value("revision") == absl::StrCat(state.revision)) {
      return {304, ""};
    }
    return {200, ProcessConfigBody(state)};
  }
  return Refusal(404, "no such path");
}

// First byte of "bytes=<first>-"; nullopt for anything else.
std::optional<int64_t> RangeStart(const std::string& header) {
  absl::string_view text = header;
  int64_t first = 0;
  if (!absl::ConsumePrefix(&text, "bytes=") ||
      !absl::ConsumeSuffix(&text, "-") || !absl::SimpleAtoi(text, &first)) {
    return std::nullopt;
  }
  return first;
}

}  // namespace

std::string SeenRequest::Header(absl::string_view name) const {
  const auto found = headers.find(std::string(name));
  return found == headers.end() ? "" : found->second;
}

TenantApiServer::TenantApiServer(TenantApiOptions options)
    : options_(std::move(options)) {
  if (options_.tls) {
    const SelfSigned identity = MakeSelfSigned();
    ca_pem_ = identity.pem;
    server_ = std::make_unique<httplib::SSLServer>(identity.certificate.get(),
                                                   identity.key.get());
  } else {
    server_ = std::make_unique<httplib::Server>();
  }
  // One request a connection: no test waits for an idle one to end.
  server_->set_keep_alive_max_count(1);
  const auto handle = [this](const httplib::Request& request,
                             httplib::Response& response) {
    Handle(request, response);
  };
  server_->Get(".*", handle).Post(".*", handle);
  if (options_.port == 0) {
    port_ = server_->bind_to_any_port(options_.address.c_str());
  } else {
    port_ = server_->bind_to_port(options_.address.c_str(), options_.port)
                ? options_.port
                : -1;
  }
  if (port_ <= 0) abort();
  thread_ = std::thread([this] { server_->listen_after_bind(); });
  // stop() has no effect before the loop runs.
  while (!server_->is_running()) std::this_thread::yield();
}

TenantApiServer::~TenantApiServer() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  stopped_.NotifyAll();
  server_->stop();
  thread_.join();
}

std::string TenantApiServer::url() const {
  return absl::StrCat(options_.tls ? "https" : "http", "://", options_.address,
                      ":", port_);
}

std::string TenantApiServer::api_url() const {
  return absl::StrCat(url(), "/e/abc12345/api");
}

void TenantApiServer::Update(const std::function<void(ServedTenant&)>& change) {
  MutexLock lock(mu_);
  change(state_);
}

void TenantApiServer::AddFault(std::string path_part, Fault fault) {
  MutexLock lock(mu_);
  faults_.push_back({std::move(path_part), std::move(fault)});
}

void TenantApiServer::ClearFaults() {
  MutexLock lock(mu_);
  faults_.clear();
  ++cleared_;
  stopped_.NotifyAll();
}

void TenantApiServer::SetHook(std::function<void(const SeenRequest&)> hook) {
  MutexLock lock(mu_);
  hook_ = std::move(hook);
}

std::vector<SeenRequest> TenantApiServer::Requests() const {
  MutexLock lock(mu_);
  return requests_;
}

int TenantApiServer::CountRequests(absl::string_view path_part) const {
  MutexLock lock(mu_);
  return static_cast<int>(std::count_if(
      requests_.begin(), requests_.end(), [&](const SeenRequest& request) {
        return absl::StrContains(request.path, path_part);
      }));
}

TenantApiServer::Turn TenantApiServer::Begin(const httplib::Request& request) {
  SeenRequest seen{
      .method = request.method, .path = request.path, .target = request.target};
  for (const auto& [name, value] : request.headers) {
    seen.headers.emplace(absl::AsciiStrToLower(name), value);
  }
  std::function<void(const SeenRequest&)> hook;
  Turn turn;
  {
    MutexLock lock(mu_);
    requests_.push_back(seen);
    hook = hook_;
    turn.state = state_;
    for (PendingFault& pending : faults_) {
      if (pending.fault.times == 0) continue;
      if (!absl::StrContains(request.path, pending.path_part)) continue;
      if (pending.fault.times > 0) --pending.fault.times;
      turn.faulty = true;
      turn.fault = pending.fault;
      break;
    }
  }
  if (hook) hook(seen);
  if (options_.load) turn.state = options_.load();
  return turn;
}

void TenantApiServer::Handle(const httplib::Request& request,
                             httplib::Response& response) {
  const Turn turn = Begin(request);
  const auto kind = turn.fault.kind;
  if (turn.faulty && kind == Fault::Kind::kStatus) {
    response.status = turn.fault.status;
    if (!turn.fault.retry_after.empty()) {
      response.set_header("Retry-After", turn.fault.retry_after);
    }
    return Stream(ErrorBody(response.status, "fault under test"), turn,
                  /*is_archive=*/false, response);
  }
  if (turn.faulty && kind == Fault::Kind::kRedirect) {
    response.set_redirect(turn.fault.location, 302);
    return;
  }
  if (turn.faulty && kind == Fault::Kind::kBody) {
    response.status = turn.fault.status;
    if (!turn.fault.content_encoding.empty()) {
      response.set_header("Content-Encoding", turn.fault.content_encoding);
    }
    return Stream(turn.fault.body, turn, /*is_archive=*/false, response);
  }
  if (turn.faulty && kind == Fault::Kind::kHugeHeader) {
    // In lines of 1 KiB: no single one is remarkable.
    for (int64_t left = turn.fault.after_bytes; left > 0; left -= 1024) {
      response.set_header("X-Padding", std::string(1024, 'x'));
    }
  }
  Route(request, turn, response);
}

void TenantApiServer::Route(const httplib::Request& request, const Turn& turn,
                            httplib::Response& response) {
  const ServedTenant& state = turn.state;
  const auto answer = [&](JsonAnswer json) {
    response.status = json.status;
    // A 304 has no body, not even an empty one.
    if (json.status == 304) return;
    Stream(std::move(json.body), turn, /*is_archive=*/false, response);
  };
  const size_t at = request.path.find(kInstaller);
  if (at == std::string::npos) return answer(Refusal(404, "no such path"));
  if (request.get_header_value("Authorization") !=
      absl::StrCat("Api-Token ", state.token)) {
    return answer(Refusal(401, "Token Authentication failed"));
  }
  const absl::string_view path =
      absl::string_view(request.path).substr(at + sizeof(kInstaller) - 1);
  absl::string_view version = path;
  if (!absl::ConsumePrefix(&version, "unix/paas/version/") &&
      path != "unix/paas/latest") {
    return answer(AnswerJson(path, request, state));
  }
  const std::string wanted =
      path == "unix/paas/latest" ? LatestOf(state) : std::string(version);
  const auto found = state.agents.find(wanted);
  if (found == state.agents.end()) {
    return answer(Refusal(
        404, absl::StrCat("Agent version ", wanted, " does not exist")));
  }
  ServeAgent(request, turn, found->second, response);
}

void TenantApiServer::ServeAgent(const httplib::Request& request,
                                 const Turn& turn, const TenantAgent& agent,
                                 httplib::Response& response) {
  std::string content = agent.bytes;
  if (!agent.path.empty()) {
    const auto read = ReadWholeFile(agent.path, int64_t{2} << 30);
    if (!read.ok()) {
      response.status = 500;
      return Stream(ErrorBody(500, std::string(read.status().message())), turn,
                    false, response);
    }
    content = *read;
  }
  const std::string etag = absl::StrCat("\"", Sha256Hex(content), "\"");
  if (turn.state.etags) response.set_header("ETag", etag);
  response.status = 200;

  const std::optional<int64_t> first =
      RangeStart(request.get_header_value("Range"));
  const bool same =
      !request.has_header("If-Range") ||
      (turn.faulty && turn.fault.kind == Fault::Kind::kIgnoreIfRange) ||
      request.get_header_value("If-Range") == etag;
  const bool ignore =
      turn.faulty && turn.fault.kind == Fault::Kind::kIgnoreRange;
  const int64_t size = static_cast<int64_t>(content.size());
  if (first.has_value() && same && !ignore) {
    if (*first >= size) {
      response.status = 416;
      response.set_header("Content-Range", absl::StrCat("bytes */", size));
      content.clear();
    } else {
      int64_t from = *first;
      if (turn.faulty && turn.fault.kind == Fault::Kind::kWrongRange) from = 0;
      response.status = 206;
      response.set_header("Content-Range", absl::StrCat("bytes ", from, "-",
                                                        size - 1, "/", size));
      content.erase(0, static_cast<size_t>(from));
    }
  }
  Stream(std::move(content), turn, /*is_archive=*/true, response);
}

// Sends `content` as the faults have it. A provider without a length leaves
// Content-Length and Range, and with them every lie, to us: the library would
// apply a Range even to the body of a refusal.
void TenantApiServer::Stream(std::string content, const Turn& turn,
                             bool is_archive, httplib::Response& response) {
  const auto is = [&](Fault::Kind kind) {
    return turn.faulty && turn.fault.kind == kind;
  };
  int64_t declared = static_cast<int64_t>(content.size());
  if (is(Fault::Kind::kWrongLength)) declared += turn.fault.after_bytes;
  if (!is(Fault::Kind::kNoLength)) {
    response.set_header("Content-Length", absl::StrCat(declared));
  }
  size_t end = content.size();
  const bool cut = is(Fault::Kind::kCut);
  const bool stall = is(Fault::Kind::kStall);
  if (cut || stall) {
    end = std::min(end, static_cast<size_t>(turn.fault.after_bytes));
  }
  const int64_t rate = is_archive ? options_.bytes_per_second : 0;
  const size_t chunk =
      rate > 0 ? std::clamp<size_t>(static_cast<size_t>(rate / 50), 1, kChunk)
               : kChunk;
  auto shared = std::make_shared<const std::string>(std::move(content));
  const std::string type = turn.faulty && !turn.fault.content_type.empty()
                               ? turn.fault.content_type
                               : "application/octet-stream";
  response.set_content_provider(
      type, [this, shared, end, cut, stall, rate, chunk](
                size_t offset, httplib::DataSink& sink) {
        if (offset >= end) {
          if (stall) WaitForEnd();
          if (cut || stall) return false;
          sink.done();
          return true;
        }
        const size_t part = std::min(chunk, end - offset);
        if (rate > 0) {
          absl::SleepFor(absl::Seconds(static_cast<double>(part) /
                                       static_cast<double>(rate)));
        }
        return sink.write(shared->data() + offset, part);
      });
}

void TenantApiServer::WaitForEnd() {
  MutexLock lock(mu_);
  const int cleared = cleared_;
  while (!stopping_ && cleared_ == cleared) stopped_.Wait(mu_);
}

}  // namespace oneagent
