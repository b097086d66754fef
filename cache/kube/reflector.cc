#include "cache/kube/reflector.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/posix_status.h"

namespace oneagent {
namespace {

constexpr char kPageSize[] = "100";
// More than etcd holds of such objects: a server that never comes to an end.
constexpr int kMostPages = 10'000;
// After as many streams that broke without progress, the objects that the
// watch cannot get past are listed.
constexpr int kMostResumes = 3;
constexpr int kGone = 410;

absl::Duration Since(std::chrono::steady_clock::time_point then) {
  return absl::FromChrono(std::chrono::steady_clock::now() - then);
}

}  // namespace

Reflector::Reflector(ApiClient& client, Collection& collection, Options options)
    : client_(client), collection_(collection), options_(std::move(options)) {}

Reflector::~Reflector() { Stop(); }

void Reflector::Stop() {
  client_.Abandon(std::exchange(exchange_, 0));
  client_.CancelTimer(std::exchange(timer_, 0));
  client_.CancelTimer(std::exchange(silence_, 0));
}

void Reflector::Restart(std::string version) {
  Stop();
  options_.resource.version = std::move(version);
  StartList();
}

void Reflector::Retry() {
  if (timer_ == 0 || is_told_when_) return;
  client_.CancelTimer(timer_);
  Wait(options_.timing.crowd_jitter * absl::Uniform(random_, 0.0, 1.0));
}

std::vector<std::pair<std::string, std::string>> Reflector::Selector() const {
  const std::string& name = options_.resource.name;
  if (name.empty()) return {};
  return {{"fieldSelector", absl::StrCat("metadata.name=", name)}};
}

void Reflector::StartList() {
  collection_.BeginList();
  pages_ = 0;
  next_ = Next::kList;
  AskForPage("");
}

void Reflector::AskForPage(const std::string& continue_token) {
  ApiResource all = options_.resource;
  all.name.clear();
  ApiRequest request = {.path = all.Path(), .query = Selector()};
  if (options_.resource.name.empty()) {
    request.query.emplace_back("limit", kPageSize);
    request.query.emplace_back("continue", continue_token);
  } else if (!has_list_) {
    // From the server's memory: what is newer comes by the watch.
    request.query.emplace_back("resourceVersion", "0");
  }
  exchange_ =
      client_.Begin(std::move(request),
                    {.on_done = [this, is_first = continue_token.empty()](
                                    const absl::StatusOr<ApiAnswer>& answer) {
                      exchange_ = 0;
                      OnPage(answer, is_first);
                    }});
}

void Reflector::OnPage(const absl::StatusOr<ApiAnswer>& answer, bool is_first) {
  if (!answer.ok()) return Fail(answer.status(), absl::ZeroDuration());
  if (answer->code == kGone && !is_first) return Relist();
  const absl::Status refused = ApiError("list", options_.resource, *answer);
  if (!refused.ok()) {
    return Fail(refused, answer->retry_after.value_or(absl::ZeroDuration()));
  }
  const absl::StatusOr<v1::ListMeta> meta = collection_.AddPage(answer->body);
  if (!meta.ok()) {
    return Fail(
        Annotate(WithCode(meta.status(), absl::StatusCode::kUnavailable),
                 absl::StrCat("list ", options_.resource.resource)),
        absl::ZeroDuration());
  }
  if (!meta->continue_token().empty()) {
    if (++pages_ < kMostPages) return AskForPage(meta->continue_token());
    return Fail(absl::UnavailableError(absl::StrCat(
                    "list ", options_.resource.resource, ": no end of pages")),
                absl::ZeroDuration());
  }
  collection_.EndList();
  version_ = meta->resource_version();
  has_list_ = true;
  if (early_ends_ <= kMostResumes) Recovered();
  options_.on_change();
  StartWatch();
}

void Reflector::StartWatch() {
  ApiResource all = options_.resource;
  all.name.clear();
  const absl::Duration time =
      options_.watch_time() * absl::Uniform(random_, 0.9, 1.1);
  const int64_t seconds = std::max<int64_t>(1, absl::ToInt64Seconds(time));
  ApiRequest request = {
      .path = all.Path(),
      .query = Selector(),
      .timeout = absl::Seconds(seconds) + options_.timing.margin};
  request.query.emplace_back("watch", "true");
  request.query.emplace_back("resourceVersion", version_);
  request.query.emplace_back("allowWatchBookmarks", "true");
  request.query.emplace_back("timeoutSeconds", absl::StrCat(seconds));
  decoder_ = WatchDecoder();
  is_open_ = has_progress_ = has_bookmarks_ = is_gone_ = false;
  broken_ = absl::OkStatus();
  next_ = Next::kWatch;
  exchange_ = client_.Begin(
      std::move(request),
      {.on_open = [this] { OnOpen(); },
       .on_bytes = [this](absl::string_view bytes) { return OnBytes(bytes); },
       .on_done =
           [this](const absl::StatusOr<ApiAnswer>& answer) {
             exchange_ = 0;
             client_.CancelTimer(std::exchange(silence_, 0));
             OnWatchEnd(answer);
           }});
}

void Reflector::OnOpen() {
  is_open_ = true;
  opened_at_ = heard_at_ = std::chrono::steady_clock::now();
  client_.CancelTimer(std::exchange(silence_, 0));
  // After so many that ended at once this one has to last before it is
  // believed.
  const bool is_doubtful = early_ends_ > kMostResumes;
  silence_ = client_.After(is_doubtful ? options_.timing.shortest_stream
                                       : options_.timing.longest_silence,
                           [this] { CheckSilence(); });
  if (!is_doubtful) Recovered();
}

bool Reflector::OnBytes(absl::string_view bytes) {
  heard_at_ = std::chrono::steady_clock::now();
  std::vector<WatchEvent> events;
  broken_ = decoder_.Feed(bytes, &events);
  for (const WatchEvent& event : events) {
    if (!OnEvent(event)) return false;
  }
  return broken_.ok();
}

bool Reflector::OnEvent(const WatchEvent& event) {
  switch (event.type) {
    case WatchEvent::Type::kError:
      is_gone_ = event.code == kGone;
      broken_ = absl::UnavailableError(
          absl::StrCat("watch ", options_.resource.resource, ": ", event.code,
                       " ", event.message));
      return false;
    case WatchEvent::Type::kBookmark:
      has_bookmarks_ = true;
      break;
    case WatchEvent::Type::kAdded:
    case WatchEvent::Type::kModified:
    case WatchEvent::Type::kDeleted:
      collection_.Apply(event);
      options_.on_change();
      break;
  }
  version_ = event.resource_version;
  has_progress_ = true;
  Recovered();
  return true;
}

void Reflector::OnWatchEnd(const absl::StatusOr<ApiAnswer>& answer) {
  if (is_open_ && Since(opened_at_) >= options_.timing.shortest_stream) {
    failures_ = relists_ = early_ends_ = 0;
  }
  if (is_gone_ || (answer.ok() && answer->code == kGone)) return Relist();
  if (answer.ok()) {
    const absl::Status refused = ApiError("watch", options_.resource, *answer);
    if (refused.ok()) return Resume(/*is_broken=*/false);
    return Fail(refused, answer->retry_after.value_or(absl::ZeroDuration()));
  }
  if (!is_open_) return Fail(answer.status(), absl::ZeroDuration());
  // No stream was heard of: the next ones would wait on a dead connection.
  if (client_.Silence() > options_.timing.margin) {
    client_.DropConnections("API server is silent");
  }
  Resume(/*is_broken=*/true);
}

// What the watch should start from is gone. Once in a row at once.
void Reflector::Relist() {
  if (relists_++ == 0) return StartList();
  ++failures_;
  next_ = Next::kList;
  Wait(Backoff());
}

// Runs once in a while as long as the stream is open.
void Reflector::CheckSilence() {
  silence_ = 0;
  Recovered();
  const absl::Duration left =
      options_.timing.longest_silence - Since(heard_at_);
  if (left > absl::ZeroDuration() || !has_bookmarks_) {
    silence_ = client_.After(
        left > absl::ZeroDuration() ? left : options_.timing.longest_silence,
        [this] { CheckSilence(); });
    return;
  }
  client_.Abandon(std::exchange(exchange_, 0));
  OnWatchEnd(absl::UnavailableError("no bookmark any more"));
}

void Reflector::Resume(bool is_broken) {
  if (failures_ == 0 && Since(opened_at_) >= options_.timing.shortest_stream) {
    if (!is_broken) return StartWatch();
    return Wait(options_.timing.crowd_jitter *
                absl::Uniform(random_, 0.0, 1.0));
  }
  failures_ = has_progress_ ? 1 : failures_ + 1;
  early_ends_ = has_progress_ ? 1 : early_ends_ + 1;
  if (early_ends_ <= kMostResumes) return Wait(Backoff());
  next_ = Next::kList;
  Fail(broken_.ok() ? absl::UnavailableError(
                          absl::StrCat("watch ", options_.resource.resource,
                                       ": every stream ends at once"))
                    : broken_,
       absl::ZeroDuration());
}

void Reflector::Fail(const absl::Status& status, absl::Duration retry_after) {
  const bool is_new = health_.ok() || health_.code() != status.code();
  if (health_.ok()) failing_since_ = absl::Now();
  if (is_new) health_ = status;
  ++failures_;
  is_told_when_ = retry_after > absl::ZeroDuration();
  Wait(std::max(Backoff(),
                std::min(retry_after, options_.timing.longest_retry_after) *
                    absl::Uniform(random_, 1.0, 1.1)));
  options_.on_change();
}

void Reflector::Recovered() {
  if (health_.ok()) return;
  health_ = absl::OkStatus();
  failing_since_ = absl::InfiniteFuture();
  options_.on_change();
}

// Half of the delay is fixed, half is chance: nodes that lost one server do not
// come back to the next one all at once.
absl::Duration Reflector::Backoff() {
  const ReflectorTiming& timing = options_.timing;
  const absl::Duration delay = std::min(
      timing.longest_delay,
      timing.first_delay * (int64_t{1} << std::clamp(failures_ - 1, 0, 16)));
  return delay * absl::Uniform(random_, 0.5, 1.0);
}

void Reflector::Wait(absl::Duration delay) {
  timer_ = client_.After(delay, [this] {
    timer_ = 0;
    is_told_when_ = false;
    OnWaited();
  });
}

void Reflector::OnWaited() {
  if (options_.is_held()) return Wait(options_.timing.longest_delay);
  switch (next_) {
    case Next::kList:
      return StartList();
    case Next::kWatch:
      return StartWatch();
  }
}

}  // namespace oneagent
