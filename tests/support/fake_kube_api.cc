#include "tests/support/fake_kube_api.h"

#include <httplib.h>
#include <stdlib.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "tests/support/fake_kube_text.h"

namespace oneagent {
namespace {

// Watches hold a thread each.
constexpr size_t kThreads = 400;

}  // namespace

FakeKubeApi::FakeKubeApi(Options options) : options_(options) {
  if (options_.tls) identity_ = MakeSelfSigned();
  Listen(options_.port);
}

FakeKubeApi::~FakeKubeApi() { StopListening(); }

void FakeKubeApi::Listen(int port) {
  {
    MutexLock lock(mu_);
    stopping_ = false;
  }
  if (options_.tls) {
    server_ = std::make_unique<httplib::SSLServer>(identity_.certificate.get(),
                                                   identity_.key.get());
  } else {
    server_ = std::make_unique<httplib::Server>();
  }
  server_->new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server_->set_keep_alive_max_count(1000);
  server_->set_keep_alive_timeout(1);
  const auto handle = [this](const httplib::Request& request,
                             httplib::Response& response) {
    Handle(request, response);
  };
  server_->Get(".*", handle).Post(".*", handle).Patch(".*", handle);
  if (port == 0) {
    port_ = server_->bind_to_any_port("127.0.0.1");
  } else {
    port_ = server_->bind_to_port("127.0.0.1", port) ? port : -1;
  }
  if (port_ <= 0) abort();
  thread_ = std::thread([this] { server_->listen_after_bind(); });
  // stop() has no effect before the loop runs.
  while (!server_->is_running()) std::this_thread::yield();
}

void FakeKubeApi::StopListening() {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  server_->stop();
  thread_.join();
}

std::string FakeKubeApi::url() const {
  return absl::StrCat(options_.tls ? "https" : "http", "://127.0.0.1:", port_);
}

void FakeKubeApi::Put(const std::string& collection, const std::string& json) {
  MutexLock lock(mu_);
  ++version_;
  NamedObject object = WithVersion(json, version_);
  std::string& stored = objects_[WithoutVersion(collection)][object.name];
  const std::string type = stored.empty() ? "ADDED" : "MODIFIED";
  stored = std::move(object.json);
  events_.push_back({version_, WithoutVersion(collection), object.name,
                     EventLine(type, stored)});
  changed_.NotifyAll();
}

void FakeKubeApi::Delete(const std::string& collection,
                         const std::string& name) {
  MutexLock lock(mu_);
  auto& objects = objects_[WithoutVersion(collection)];
  const auto found = objects.find(name);
  if (found == objects.end()) abort();
  ++version_;
  events_.push_back(
      {version_, WithoutVersion(collection), name,
       EventLine("DELETED", WithVersion(found->second, version_).json)});
  objects.erase(found);
  changed_.NotifyAll();
}

void FakeKubeApi::Compact() {
  MutexLock lock(mu_);
  oldest_ = ++version_;
}

void FakeKubeApi::SetToken(std::string token) {
  MutexLock lock(mu_);
  token_ = std::move(token);
}

void FakeKubeApi::SetVersions(std::vector<std::string> versions) {
  MutexLock lock(mu_);
  versions_ = std::move(versions);
}

void FakeKubeApi::AddFault(KubeFault fault) {
  MutexLock lock(mu_);
  faults_.push_back(std::move(fault));
}

void FakeKubeApi::ClearFaults() {
  MutexLock lock(mu_);
  faults_.clear();
}

void FakeKubeApi::SetAway(bool is_away) {
  if (is_away) {
    StopListening();
  } else {
    Listen(port_);
  }
}

void FakeKubeApi::SetHook(std::function<void(const KubeRequest&)> hook) {
  MutexLock lock(mu_);
  hook_ = std::move(hook);
}

std::vector<KubeRequest> FakeKubeApi::Requests() const {
  MutexLock lock(mu_);
  return requests_;
}

int FakeKubeApi::CountRequests(absl::string_view part) const {
  MutexLock lock(mu_);
  return static_cast<int>(std::count_if(
      requests_.begin(), requests_.end(), [&](const KubeRequest& request) {
        return absl::StrContains(request.target, part);
      }));
}

FakeKubeApi::Turn FakeKubeApi::Begin(const httplib::Request& request) {
  const KubeRequest seen = {
      .method = request.method,
      .target = request.target,
      .authorization = request.get_header_value("Authorization"),
      .content_type = request.get_header_value("Content-Type"),
      .body = request.body,
      .at = absl::Now()};
  std::function<void(const KubeRequest&)> hook;
  {
    MutexLock lock(mu_);
    requests_.push_back(seen);
    hook = hook_;
  }
  if (hook) hook(seen);
  MutexLock lock(mu_);
  for (KubeFault& fault : faults_) {
    if (fault.times == 0 || !absl::StrContains(request.target, fault.part)) {
      continue;
    }
    if (fault.times > 0) --fault.times;
    return {.is_faulty = true, .fault = fault};
  }
  return {};
}

void FakeKubeApi::Handle(const httplib::Request& request,
                         httplib::Response& response) {
  const Turn turn = Begin(request);
  if (turn.is_faulty && turn.fault.kind == KubeFault::Kind::kStatus) {
    if (!turn.fault.retry_after.empty()) {
      response.set_header("Retry-After", turn.fault.retry_after);
    }
    return Answer(
        turn.fault.status,
        StatusBody(turn.fault.status, turn.fault.reason, "fault under test"),
        {}, response);
  }
  if (turn.is_faulty && turn.fault.kind == KubeFault::Kind::kBody) {
    return Answer(turn.fault.body_status, turn.fault.body, {}, response);
  }
  std::string token;
  {
    MutexLock lock(mu_);
    token = token_;
  }
  if (request.get_header_value("Authorization") !=
      absl::StrCat("Bearer ", token)) {
    return Refuse(401, "Unauthorized", "Unauthorized", turn, response);
  }
  Route(request, turn, response);
}

void FakeKubeApi::Route(const httplib::Request& request, const Turn& turn,
                        httplib::Response& response) {
  if (request.method != "GET") {
    return Answer(201, request.body.empty() ? "{}" : request.body, turn,
                  response);
  }
  if (request.path == kGroupPath) {
    std::vector<std::string> versions;
    {
      MutexLock lock(mu_);
      versions = versions_;
    }
    if (versions.empty()) {
      return Refuse(404, "NotFound", "not found", turn, response);
    }
    const auto entry = [](const std::string& version) {
      return absl::StrCat("{\"groupVersion\":\"dynatrace.com/", version,
                          "\",\"version\":\"", version, "\"}");
    };
    std::vector<std::string> entries;
    for (const std::string& version : versions) {
      entries.push_back(entry(version));
    }
    return Answer(200,
                  absl::StrCat("{\"kind\":\"APIGroup\",\"name\":\"dynatrace."
                               "com\",\"versions\":[",
                               absl::StrJoin(entries, ","),
                               "],\"preferredVersion\":", entries[0], "}"),
                  turn, response);
  }
  if (!IsServed(request.path)) {
    return Refuse(404, "NotFound", "no such resource", turn, response);
  }
  if (request.get_param_value("watch") == "true") {
    return StartWatch(request, turn, response);
  }
  List(request, turn, response);
}

bool FakeKubeApi::IsServed(const std::string& path) const {
  if (!absl::StartsWith(path, kGroupPath)) return true;
  MutexLock lock(mu_);
  return std::any_of(versions_.begin(), versions_.end(),
                     [&](const std::string& version) {
                       return absl::StartsWith(
                           path, absl::StrCat(kGroupPath, "/", version, "/"));
                     });
}

void FakeKubeApi::List(const httplib::Request& request, const Turn& turn,
                       httplib::Response& response) {
  const std::string name = WantedName(request);
  // "<version>:<first name>" of the page.
  const std::string next = request.get_param_value("continue");
  const size_t colon = next.find(':');
  int64_t version = 0;
  std::string from;
  int64_t left = IntParam(request, "limit");
  if (options_.page_limit > 0) left = options_.page_limit;
  if (left == 0) left = INT64_MAX;
  std::string more;
  std::vector<std::string> items;
  {
    MutexLock lock(mu_);
    version = version_;
    if (colon != std::string::npos) {
      if (!absl::SimpleAtoi(next.substr(0, colon), &version)) abort();
      from = next.substr(colon + 1);
    }
    if (version < oldest_) more = "expired";
    for (const auto& [key, object] : objects_[WithoutVersion(request.path)]) {
      if (key < from || (!name.empty() && key != name)) continue;
      if (left-- == 0) {
        more = absl::StrCat(version, ":", key);
        break;
      }
      items.push_back(object);
    }
  }
  if (more == "expired") {
    return Refuse(410, "Expired", "continue parameter is too old", turn,
                  response);
  }
  Answer(200,
         absl::StrCat(
             "{\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"", version,
             "\"",
             more.empty() ? "" : absl::StrCat(",\"continue\":\"", more, "\""),
             "},\"items\":[", absl::StrJoin(items, ","), "]}"),
         turn, response);
}

void FakeKubeApi::Answer(int status, std::string body, const Turn& turn,
                         httplib::Response& response) {
  response.status = status;
  if (!turn.is_faulty) {
    response.set_content(body, "application/json");
    return;
  }
  const size_t size = body.size();
  const size_t sent =
      std::min(size, static_cast<size_t>(turn.fault.after_bytes));
  response.set_content_provider(
      size, "application/json",
      [this, body = std::move(body), sent, kind = turn.fault.kind](
          size_t offset, size_t, httplib::DataSink& sink) {
        if (offset < sent) {
          sink.write(body.data() + offset, sent - offset);
          return true;
        }
        if (kind == KubeFault::Kind::kStall) WaitForEnd();
        return false;
      });
}

void FakeKubeApi::Refuse(int status, const std::string& reason,
                         const std::string& message, const Turn& turn,
                         httplib::Response& response) {
  Answer(status, StatusBody(status, reason, message), turn, response);
}

void FakeKubeApi::WaitForEnd() {
  MutexLock lock(mu_);
  while (!stopping_) changed_.Wait(mu_);
}

}  // namespace oneagent
