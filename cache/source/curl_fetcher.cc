#include "cache/source/curl_fetcher.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "cache/http/curl.h"
#include "cache/http/http_header.h"
#include "cache/http/url.h"
#include "cache/source/curl_exchange.h"
#include "cache/source/download_file.h"

namespace oneagent {
namespace {

constexpr int kMaxRedirects = 5;
constexpr absl::Duration kFirstBackoff = absl::Milliseconds(500);
constexpr absl::Duration kMaxBackoff = absl::Seconds(30);
constexpr absl::Duration kMaxRetryAfter = absl::Minutes(2);
// libcurl counts whole milliseconds by a clock of its own.
constexpr absl::Duration kNoTime = absl::Milliseconds(2);

// Counts down a request's time by the monotonic clock.
class Deadline {
 public:
  explicit Deadline(absl::Duration timeout)
      : end_(std::chrono::steady_clock::now() +
             absl::ToChronoNanoseconds(timeout)) {}
  absl::Duration Left() const {
    return absl::FromChrono(end_ - std::chrono::steady_clock::now());
  }

 private:
  const std::chrono::steady_clock::time_point end_;
};

bool WorthAnotherAttempt(int http_status) {
  return http_status == 429 || http_status == 502 || http_status == 503 ||
         http_status == 504;
}

absl::Duration WaitBefore(int next_attempt, const ExchangeResult& last) {
  absl::BitGen random;
  const auto found = last.answer.headers.find("retry-after");
  if (found != last.answer.headers.end()) {
    const auto asked = ParseRetryAfter(found->second, absl::Now());
    if (asked.has_value()) {
      return std::min(*asked, kMaxRetryAfter) * absl::Uniform(random, 1.0, 1.1);
    }
  }
  const absl::Duration backoff =
      std::min(kMaxBackoff,
               kFirstBackoff * (int64_t{1} << std::min(next_attempt - 2, 10)));
  return backoff * absl::Uniform(random, 0.5, 1.0);
}

// One attempt. `deadline` bounds each of its requests.
ExchangeResult Attempt(const FetchRequest& request, const DownloadFile* file,
                       const Deadline& deadline, CurlSession& session) {
  std::string url = request.url;
  bool resume =
      file != nullptr && file->size() > 0 && file->size() <= request.max_bytes;
  for (int redirects = 0;;) {
    ExchangeResult result = session.Run(url, resume, deadline.Left());
    switch (result.kind) {
      case ExchangeResult::Kind::kUnusableRange:
        resume = false;  // so this cannot come twice
        continue;
      case ExchangeResult::Kind::kAnswer:
        break;
      case ExchangeResult::Kind::kBroken:
      case ExchangeResult::Kind::kFailed:
        return result;
    }
    // Our headers carry a token: they go nowhere else.
    if (result.redirect.empty() || redirects == kMaxRedirects ||
        !CheckUrl(result.redirect).ok() ||
        !SameOrigin(result.redirect, request.url)) {
      return result;
    }
    ++redirects;
    url = result.redirect;
  }
}

}  // namespace

CurlFetcher::CurlFetcher(std::string user_agent,
                         std::function<void(absl::Duration)> sleep,
                         DefaultProxy default_proxy)
    : user_agent_(std::move(user_agent)),
      sleep_(std::move(sleep)),
      default_proxy_(std::move(default_proxy)) {
  InitCurl();
}

absl::StatusOr<FetchResult> CurlFetcher::Fetch(const FetchRequest& request) {
  absl::StatusOr<FetchResult> result = TryUntilDone(request);
  if (result.ok()) return result;
  return Annotate(result.status(),
                  absl::StrCat("GET ", RedactedUrl(request.url)));
}

absl::StatusOr<FetchResult> CurlFetcher::TryUntilDone(FetchRequest request) {
  const Deadline deadline(request.timeout);
  RETURN_IF_ERROR(CheckUrl(request.url));
  RETURN_IF_ERROR(CheckHeaders(request.headers));
  if (request.connection.proxy.empty()) {
    request.connection.proxy = default_proxy_.url;
    request.connection.no_proxy = default_proxy_.no_proxy;
  }
  ProxyAddress proxy;
  if (!request.connection.proxy.empty()) {
    ASSIGN_OR_RETURN(proxy, ParseProxy(request.connection.proxy));
  }
  std::unique_ptr<DownloadFile> file;
  if (!request.file.empty()) {
    ASSIGN_OR_RETURN(file, DownloadFile::Open(request.file));
  }
  CurlSession session(request, proxy, user_agent_, file.get());
  RETURN_IF_ERROR(session.Prepare());

  const auto outcome = [](ExchangeResult result) {
    return result.kind == ExchangeResult::Kind::kAnswer
               ? absl::StatusOr<FetchResult>(std::move(result.answer))
               : absl::StatusOr<FetchResult>(std::move(result.status));
  };
  for (int attempt = 1;; ++attempt) {
    if (request.cancelled && request.cancelled()) {
      return absl::CancelledError("cancelled");
    }
    ExchangeResult result = Attempt(request, file.get(), deadline, session);
    const bool again = result.kind == ExchangeResult::Kind::kBroken ||
                       (result.kind == ExchangeResult::Kind::kAnswer &&
                        WorthAnotherAttempt(result.answer.http_status));
    if (!again) return outcome(std::move(result));
    if (result.kind == ExchangeResult::Kind::kBroken &&
        deadline.Left() < kNoTime) {
      return absl::DeadlineExceededError(result.status.message());
    }
    if (attempt >= request.attempts) return outcome(std::move(result));
    const absl::Duration wait = WaitBefore(attempt + 1, result);
    if (wait >= deadline.Left()) return outcome(std::move(result));
    sleep_(wait);
  }
}

}  // namespace oneagent
