#include "cache/source/curl_fetcher.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "cache/http/curl.h"
#include "cache/http/no_proxy.h"
#include "cache/source/curl_exchange.h"
#include "cache/source/download_file.h"

namespace oneagent {
namespace {

constexpr int kMaxRedirects = 5;
// How often a file that breaks off is asked for anew within one request.
constexpr int kMaxContinuations = 3;
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

// Who is asked as whom. A token may lack the right to one thing and have that
// to another, so that a 403 counts for its path alone.
std::vector<std::string> TokenOf(const FetchRequest& request, bool for_path) {
  std::vector<std::string> credentials = {
      "token", OriginOf(request.url), request.connection.proxy,
      for_path ? RedactedUrl(request.url) : ""};
  for (const std::string& header : request.headers) {
    if (absl::StartsWith(header, "Authorization:")) {
      credentials.push_back(header);
    }
  }
  return credentials;
}

std::vector<std::string> AccountOf(const ProxyAddress& proxy) {
  return {"proxy", proxy.url, proxy.user, proxy.password};
}

// One exchange and its redirects. `deadline` bounds each of its requests.
ExchangeResult Exchange(const FetchRequest& request, const DownloadFile* file,
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

CurlFetcher::CurlFetcher(std::string user_agent, const Clock& clock,
                         DefaultProxy default_proxy)
    : user_agent_(std::move(user_agent)),
      default_proxy_(std::move(default_proxy)),
      refusals_(clock) {
  InitCurl();
}

absl::StatusOr<FetchResult> CurlFetcher::Fetch(const FetchRequest& request) {
  absl::StatusOr<FetchResult> result = Check(request);
  if (result.ok()) return result;
  return Annotate(result.status(),
                  absl::StrCat("GET ", RedactedUrl(request.url)));
}

absl::StatusOr<FetchResult> CurlFetcher::Check(FetchRequest request) {
  RETURN_IF_ERROR(CheckUrl(request.url));
  RETURN_IF_ERROR(CheckHeaders(request.headers));
  if (request.connection.proxy.empty()) {
    request.connection.proxy = default_proxy_.url;
    request.connection.no_proxy = default_proxy_.no_proxy;
  }
  ProxyAddress proxy;
  if (!request.connection.proxy.empty()) {
    ASSIGN_OR_RETURN(proxy, ParseProxy(request.connection.proxy));
    if (IsExempt(request.url, request.connection.no_proxy)) proxy = {};
  }
  const std::vector<std::string> account = AccountOf(proxy);
  const bool on_trial = !proxy.user.empty();
  if (on_trial) refusals_.BeginTrial(account);
  absl::StatusOr<FetchResult> result = AskUnlessRefused(request, proxy);
  if (on_trial) {
    refusals_.EndTrial(account, /*accepted=*/result.ok());
  }
  return result;
}

absl::StatusOr<FetchResult> CurlFetcher::AskUnlessRefused(
    const FetchRequest& request, const ProxyAddress& proxy) {
  for (const std::vector<std::string>& credentials :
       {AccountOf(proxy), TokenOf(request, /*for_path=*/false),
        TokenOf(request, /*for_path=*/true)}) {
    const std::optional<Refusals::Answer> known = refusals_.Find(credentials);
    if (known.has_value()) return *known;
  }
  absl::StatusOr<FetchResult> result = AskOnce(request, proxy);
  if (absl::IsUnauthenticated(result.status())) {
    refusals_.Remember(AccountOf(proxy), result);
  } else if (result.ok() &&
             (result->http_status == 401 || result->http_status == 403)) {
    refusals_.Remember(TokenOf(request, result->http_status == 403), result);
  }
  return result;
}

absl::StatusOr<FetchResult> CurlFetcher::AskOnce(const FetchRequest& request,
                                                 const ProxyAddress& proxy) {
  const Deadline deadline(request.timeout);
  std::unique_ptr<DownloadFile> file;
  if (!request.file.empty()) {
    ASSIGN_OR_RETURN(file, DownloadFile::Open(request.file));
  }
  CurlSession session(request, proxy, user_agent_, file.get());
  RETURN_IF_ERROR(session.Prepare());
  for (int continuations = 0;; ++continuations) {
    if (request.cancelled && request.cancelled()) {
      return absl::CancelledError("cancelled");
    }
    const int64_t before = file == nullptr ? 0 : file->size();
    ExchangeResult result = Exchange(request, file.get(), deadline, session);
    switch (result.kind) {
      case ExchangeResult::Kind::kAnswer:
        return std::move(result.answer);
      case ExchangeResult::Kind::kUnusableRange:  // Exchange has seen to it
      case ExchangeResult::Kind::kFailed:
        return std::move(result.status);
      case ExchangeResult::Kind::kBroken:
        break;
    }
    if (deadline.Left() < kNoTime) {
      return absl::DeadlineExceededError(result.status.message());
    }
    const bool has_grown = file != nullptr && file->size() > before;
    if (!has_grown || continuations == kMaxContinuations) {
      return std::move(result.status);
    }
  }
}

}  // namespace oneagent
