#include "cache/kube/api_client.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "cache/http/url.h"

namespace oneagent {
namespace {

// Much more than any token, and no room for a mistake.
constexpr int64_t kMaxTokenBytes = 64 << 10;
constexpr absl::Duration kLongestWait = absl::Minutes(1);
constexpr int kUnauthorized = 401;
// Streams that a server lets share one connection: kube-apiserver's own limit.
constexpr long kStreamsPerConnection = 100;

std::chrono::steady_clock::time_point In(absl::Duration delay) {
  return std::chrono::steady_clock::now() +
         absl::ToChronoNanoseconds(std::max(delay, absl::ZeroDuration()));
}

}  // namespace

void ApiClient::FreeMulti::operator()(void* multi) const {
  curl_multi_cleanup(multi);
}

absl::StatusOr<std::unique_ptr<ApiClient>> ApiClient::Open(
    ApiAccess access, std::string user_agent) {
  const absl::Status usable = CheckUrl(access.server);
  if (!usable.ok()) return Annotate(usable, "API server");
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.ok()) return PosixStatus("API server: eventfd", errno);
  InitCurl();
  std::unique_ptr<ApiClient> client(
      new ApiClient(std::move(access), std::move(user_agent), std::move(wake)));
  client->thread_ = std::thread([raw = client.get()] { raw->Loop(); });
  return client;
}

ApiClient::ApiClient(ApiAccess access, std::string user_agent, UniqueFd wake)
    : wake_(std::move(wake)),
      common_{.access = std::move(access), .user_agent = std::move(user_agent)},
      multi_(NewMulti()) {}

ApiClient::~ApiClient() {
  Close();
  thread_.join();
}

ApiClient::MultiHandle ApiClient::NewMulti() {
  MultiHandle multi(curl_multi_init());
  if (multi == nullptr) abort();  // out of memory
  curl_multi_setopt(multi.get(), CURLMOPT_PIPELINING, long{CURLPIPE_MULTIPLEX});
  curl_multi_setopt(multi.get(), CURLMOPT_MAX_CONCURRENT_STREAMS,
                    kStreamsPerConnection);
  return multi;
}

absl::StatusOr<ApiAnswer> ApiClient::Call(const ApiRequest& request) {
  Mutex mu;
  CondVar done;
  std::optional<absl::StatusOr<ApiAnswer>> result;
  const bool posted = Post([&] {
    Begin(request, {.on_done = [&](absl::StatusOr<ApiAnswer> answer) {
            MutexLock lock(mu);
            result = std::move(answer);
            done.NotifyAll();
          }});
  });
  if (!posted) return absl::CancelledError("API client is closed");
  MutexLock lock(mu);
  while (!result.has_value()) done.Wait(mu);
  return *std::move(result);
}

void ApiClient::Close() {
  MutexLock lock(mu_);
  is_closed_ = true;
  Wake();
}

bool ApiClient::Post(std::function<void()> task) {
  MutexLock lock(mu_);
  if (is_closed_) return false;
  posted_.push_back(std::move(task));
  Wake();
  return true;
}

void ApiClient::RunAndWait(const std::function<void()>& task) {
  bool is_done = false;
  CondVar done;
  if (Post([&] {
        task();
        MutexLock lock(mu_);
        is_done = true;
        done.NotifyAll();
      })) {
    MutexLock lock(mu_);
    while (!is_done) done.Wait(mu_);
    return;
  }
  {
    MutexLock lock(mu_);
    while (!is_over_) over_cv_.Wait(mu_);
  }
  task();
}

void ApiClient::Wake() const {
  const uint64_t one = 1;
  // Only a full counter refuses, and that wakes, too.
  (void)!write(wake_.get(), &one, sizeof(one));
}

void ApiClient::Loop() {
  while (RunPosted()) {
    RunTimers();
    RemoveAbandoned();
    StartNew();
    Transfer();
    WaitForWork();
  }
  timers_.clear();
  // What a handler begins ends, too.
  while (!exchanges_.empty()) EndAll(absl::CancelledError("closed"));
  MutexLock lock(mu_);
  is_over_ = true;
  over_cv_.NotifyAll();
}

bool ApiClient::RunPosted() {
  std::vector<std::function<void()>> tasks;
  bool is_closed = false;
  {
    MutexLock lock(mu_);
    tasks.swap(posted_);
    is_closed = is_closed_;
  }
  for (const std::function<void()>& task : tasks) task();
  return !is_closed;
}

void ApiClient::RunTimers() {
  const SteadyTime now = std::chrono::steady_clock::now();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    const std::function<void()> task = std::move(timers_.begin()->second.task);
    timers_.erase(timers_.begin());
    task();
  }
}

ApiClient::Id ApiClient::Begin(ApiRequest request, ApiHandlers handlers) {
  const Id id = ++last_id_;
  exchanges_.emplace(
      id, std::make_unique<ApiExchange>(id, common_, std::move(request),
                                        std::move(handlers)));
  new_.push_back(id);
  return id;
}

void ApiClient::Abandon(Id exchange) {
  const auto found = exchanges_.find(exchange);
  if (found == exchanges_.end()) return;
  // libcurl may be in the middle of it.
  found->second->Mute();
  abandoned_.push_back(exchange);
}

ApiClient::Id ApiClient::After(absl::Duration delay,
                               std::function<void()> task) {
  const Id id = ++last_id_;
  timers_.emplace(In(delay), Timer{.id = id, .task = std::move(task)});
  return id;
}

void ApiClient::CancelTimer(Id timer) {
  const auto found = std::find_if(
      timers_.begin(), timers_.end(),
      [timer](const auto& each) { return each.second.id == timer; });
  if (found != timers_.end()) timers_.erase(found);
}

absl::Duration ApiClient::Silence() const {
  if (common_.last_byte == SteadyTime()) return absl::InfiniteDuration();
  return absl::FromChrono(std::chrono::steady_clock::now() - common_.last_byte);
}

void ApiClient::DropConnections(const std::string& cause) {
  // From now on it is the new connections that are listened to.
  common_.last_byte = std::chrono::steady_clock::now();
  common_.is_connected = false;
  EndAll(absl::UnavailableError(cause));
  multi_ = NewMulti();
}

void ApiClient::RemoveAbandoned() {
  for (const Id id : std::exchange(abandoned_, {})) {
    const auto found = exchanges_.find(id);
    if (found == exchanges_.end()) continue;
    curl_multi_remove_handle(multi_.get(), found->second->curl());
    exchanges_.erase(found);
  }
}

// libcurl makes a connection for each request that begins while there is none
// to share: so one goes ahead, and the others follow when it is answered.
bool ApiClient::MayStart() const {
  if (common_.is_connected) return true;
  const auto found = exchanges_.find(opening_);
  // An answered one may be a stream that stays open for hours.
  return found == exchanges_.end() || found->second->is_answered();
}

void ApiClient::StartNew() {
  while (!new_.empty() && MayStart()) {
    const Id id = new_.front();
    new_.pop_front();
    const auto found = exchanges_.find(id);
    if (found == exchanges_.end()) continue;
    absl::Status started = Start(*found->second, CurrentToken());
    if (!started.ok()) {
      End(id, std::move(started));
    } else if (!common_.is_connected) {
      opening_ = id;
    }
  }
}

absl::Status ApiClient::Start(ApiExchange& exchange, const std::string& token) {
  RETURN_IF_ERROR(exchange.Prepare(token));
  if (curl_multi_add_handle(multi_.get(), exchange.curl()) != CURLM_OK) {
    abort();  // out of memory
  }
  return absl::OkStatus();
}

void ApiClient::Transfer() {
  int running = 0;
  curl_multi_perform(multi_.get(), &running);
  RemoveAbandoned();
  int left = 0;
  while (const CURLMsg* const message =
             curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    void* exchange = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange);
    Conclude(static_cast<ApiExchange*>(exchange), message->data.result);
    RemoveAbandoned();
  }
}

void ApiClient::Conclude(ApiExchange* exchange, int code) {
  const Id id = exchange->id();
  absl::StatusOr<ApiAnswer> result = exchange->Conclude(code);
  curl_multi_remove_handle(multi_.get(), exchange->curl());
  if (code != CURLE_OK) common_.is_connected = false;
  // Those that wait for it would fare no better.
  if (id == opening_ && !result.ok() && !exchange->is_answered()) {
    EndNew(result.status());
  }
  if (result.ok() && result->code == kUnauthorized) {
    const std::string token = CurrentToken();
    // It was replaced while the request was under way.
    if (token != exchange->token() && Start(*exchange, token).ok()) return;
  }
  End(id, std::move(result));
}

void ApiClient::End(Id id, absl::StatusOr<ApiAnswer> result) {
  const auto found = exchanges_.find(id);
  if (found == exchanges_.end()) return;
  const std::unique_ptr<ApiExchange> exchange = std::move(found->second);
  exchanges_.erase(found);
  if (!exchange->is_muted()) exchange->handlers().on_done(std::move(result));
}

void ApiClient::EndAll(const absl::Status& status) {
  std::vector<Id> ids;
  for (const auto& [id, exchange] : exchanges_) {
    // Of one that was not added yet this does nothing.
    curl_multi_remove_handle(multi_.get(), exchange->curl());
    ids.push_back(id);
  }
  for (const Id id : ids) {
    const auto found = exchanges_.find(id);
    if (found != exchanges_.end()) End(id, found->second->Named(status));
  }
}

void ApiClient::EndNew(const absl::Status& status) {
  for (const Id id : std::exchange(new_, {})) End(id, status);
}

void ApiClient::WaitForWork() {
  if (!new_.empty() && MayStart()) return;
  absl::Duration wait = kLongestWait;
  if (!timers_.empty()) {
    wait = std::clamp(absl::FromChrono(timers_.begin()->first -
                                       std::chrono::steady_clock::now()),
                      absl::ZeroDuration(), kLongestWait);
  }
  curl_waitfd wake = {
      .fd = wake_.get(), .events = CURL_WAIT_POLLIN, .revents = 0};
  curl_multi_poll(multi_.get(), &wake, 1,
                  static_cast<int>(absl::ToInt64Milliseconds(
                      absl::Ceil(wait, absl::Milliseconds(1)))),
                  nullptr);
  uint64_t count = 0;
  (void)!read(wake_.get(), &count, sizeof(count));
}

std::string ApiClient::CurrentToken() {
  const ApiAccess& access = common_.access;
  if (access.token_file.empty()) return access.token;
  // kubelet's file is a link that it swaps.
  const absl::StatusOr<std::string> content =
      ReadWholeFile(access.token_file, kMaxTokenBytes, LastLink::kFollow);
  // Between two tokens the last one is as good as any.
  if (content.ok()) {
    last_token_ = std::string(absl::StripAsciiWhitespace(*content));
  }
  return last_token_;
}

}  // namespace oneagent
