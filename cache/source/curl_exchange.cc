#include "cache/source/curl_exchange.h"

#include <curl/curl.h>
#include <limits.h>
#include <stdlib.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/durable_file.h"
#include "base/posix_status.h"
#include "cache/source/response_reader.h"

namespace oneagent {
namespace {

constexpr long kReceiveBuffer = 256 << 10;
constexpr long kProxyRefuses = 407;

ExchangeResult Outcome(ExchangeResult::Kind kind, absl::Status status) {
  return {.kind = kind, .status = std::move(status)};
}

// libcurl's text about a failure, or its general one.
ExchangeResult FromCurlCode(CURLcode code, const char* text) {
  return Outcome(MayPass(code) ? ExchangeResult::Kind::kBroken
                               : ExchangeResult::Kind::kFailed,
                 CurlStatus(code, text));
}

// libcurl's callbacks: anything but the number of bytes given ends it.
size_t OnHeaderLine(char* data, size_t size, size_t count, void* reader) {
  const absl::string_view line(data, size * count);
  return static_cast<ResponseReader*>(reader)->OnHeaderLine(line) ? line.size()
                                                                  : 0;
}
size_t OnBody(char* data, size_t size, size_t count, void* reader) {
  const absl::string_view bytes(data, size * count);
  return static_cast<ResponseReader*>(reader)->OnBody(bytes) ? bytes.size() : 0;
}

// libcurl calls it about once a second, also while nothing moves.
int OnTick(void* cancelled, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return (*static_cast<const std::function<bool()>*>(cancelled))() ? 1 : 0;
}

// As a proxy names them in Proxy-Authenticate.
std::string SchemeNames(long schemes) {
  constexpr std::pair<unsigned long, const char*> kNames[] = {
      {CURLAUTH_BASIC, "Basic"},
      {CURLAUTH_DIGEST, "Digest"},
      {CURLAUTH_NTLM, "NTLM"},
      {CURLAUTH_NEGOTIATE, "Negotiate"},
      {CURLAUTH_BEARER, "Bearer"}};
  std::vector<std::string> names;
  for (const auto& [bit, name] : kNames) {
    if ((static_cast<unsigned long>(schemes) & bit) != 0) {
      names.emplace_back(name);
    }
  }
  return names.empty() ? "nothing that is known" : absl::StrJoin(names, ", ");
}

// The system's bundle, through whatever links lead to it; "" when it has none.
absl::StatusOr<std::string> SystemRoots(CURL* curl) {
  const char* bundle = nullptr;
  curl_easy_getinfo(curl, CURLINFO_CAINFO, &bundle);
  char resolved[PATH_MAX];
  if (bundle == nullptr || realpath(bundle, resolved) == nullptr) return "";
  return ReadWholeFile(resolved);
}

}  // namespace

CurlSession::CurlSession(const FetchRequest& request, const ProxyAddress& proxy,
                         const std::string& user_agent, DownloadFile* file)
    : request_(request),
      proxy_(proxy),
      user_agent_(user_agent),
      file_(file),
      curl_(NewCurlHandle()),
      error_(CURL_ERROR_SIZE, '\0') {}

CurlSession::~CurlSession() = default;

absl::Status CurlSession::Prepare() {
  const Connection& connection = request_.connection;
  if (connection.trusted_cas.empty() || connection.skip_cert_check) {
    return absl::OkStatus();
  }
  // CURLOPT_CAINFO_BLOB replaces the system's roots; ours are an addition.
  absl::StatusOr<std::string> system = SystemRoots(curl_.get());
  if (!system.ok()) return Annotate(system.status(), "system certificates");
  roots_ = absl::StrCat(*system, "\n", connection.trusted_cas);
  return absl::OkStatus();
}

CurlHeaders CurlSession::BuildHeaders(bool resume) const {
  std::vector<std::string> headers = request_.headers;
  if (resume && !file_->etag().empty()) {
    headers.push_back(absl::StrCat("If-Range: ", file_->etag()));
  }
  return NewCurlHeaders(headers);
}

void CurlSession::SetRequest(const std::string& url, absl::Duration timeout) {
  CURL* const curl = curl_.get();
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  // Redirects are CurlFetcher's to follow: it knows where our headers may go.
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, user_agent_.c_str());
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
  // "identity" is asked for; what is gzip or deflate all the same is decoded.
  curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "identity");
  if (file_ != nullptr) {
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, kReceiveBuffer);
  }
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                   CurlMilliseconds(request_.connect_timeout));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, CurlMilliseconds(timeout));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(
      curl, CURLOPT_LOW_SPEED_TIME,
      std::max(1L, CurlMilliseconds(request_.stall_timeout) / 1000));
  if (!request_.cancelled) return;
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &OnTick);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &request_.cancelled);
}

void CurlSession::SetTrust() {
  CURL* const curl = curl_.get();
  const bool check = !request_.connection.skip_cert_check;
  for (const CURLoption option :
       {CURLOPT_SSLVERSION, CURLOPT_PROXY_SSLVERSION}) {
    curl_easy_setopt(curl, option, long{CURL_SSLVERSION_TLSv1_2});
  }
  for (const CURLoption option :
       {CURLOPT_SSL_VERIFYPEER, CURLOPT_PROXY_SSL_VERIFYPEER}) {
    curl_easy_setopt(curl, option, check ? 1L : 0L);
  }
  for (const CURLoption option :
       {CURLOPT_SSL_VERIFYHOST, CURLOPT_PROXY_SSL_VERIFYHOST}) {
    curl_easy_setopt(curl, option, check ? 2L : 0L);
  }
  if (roots_.empty()) return;
  curl_blob blob = {
      .data = roots_.data(), .len = roots_.size(), .flags = CURL_BLOB_NOCOPY};
  for (const CURLoption option :
       {CURLOPT_CAINFO_BLOB, CURLOPT_PROXY_CAINFO_BLOB}) {
    curl_easy_setopt(curl, option, &blob);
  }
}

void CurlSession::SetProxy() {
  CURL* const curl = curl_.get();
  // Set even when empty: else libcurl takes the environment's.
  curl_easy_setopt(curl, CURLOPT_PROXY, proxy_.url.c_str());
  // Whom the proxy is for was decided before (cache/http/no_proxy.h).
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "");
  // The API token is the tenant's business, not the proxy's.
  curl_easy_setopt(curl, CURLOPT_HEADEROPT, long{CURLHEADER_SEPARATE});
  curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  if (!proxy_.user.empty()) {
    curl_easy_setopt(curl, CURLOPT_PROXYUSERNAME, proxy_.user.c_str());
    curl_easy_setopt(curl, CURLOPT_PROXYPASSWORD, proxy_.password.c_str());
    // The safest of these that the proxy offers. Negotiate needs a Kerberos
    // ticket, which a node's pod has not.
    curl_easy_setopt(curl, CURLOPT_PROXYAUTH,
                     long{CURLAUTH_BASIC | CURLAUTH_DIGEST | CURLAUTH_NTLM});
  }
}

ExchangeResult CurlSession::Run(const std::string& url, bool resume,
                                absl::Duration timeout) {
  CURL* const curl = curl_.get();
  curl_easy_reset(curl);  // keeps the connection
  SetRequest(url, timeout);
  SetTrust();
  SetProxy();
  const CurlHeaders headers = BuildHeaders(resume);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  // Not CURLOPT_RESUME_FROM: with that a 200 is an error.
  const std::string range = resume ? absl::StrCat(file_->size(), "-") : "";
  if (resume) curl_easy_setopt(curl, CURLOPT_RANGE, range.c_str());

  ResponseReader reader(request_, file_, resume);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &OnHeaderLine);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &reader);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &OnBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reader);
  error_[0] = '\0';
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error_.data());
  const CURLcode code = curl_easy_perform(curl);
  ExchangeResult result = Conclude(code, reader);
  // Nothing of this frame stays behind in the handle.
  curl_easy_reset(curl);
  return result;
}

// Unauthenticated when the proxy itself refused, to a CONNECT or to the
// request; else OK.
absl::Status CurlSession::ProxyRefusal(const ResponseReader& reader) const {
  long connect_code = 0;
  curl_easy_getinfo(curl_.get(), CURLINFO_HTTP_CONNECTCODE, &connect_code);
  const bool is_refusal =
      connect_code == kProxyRefuses || reader.http_status() == kProxyRefuses;
  if (proxy_.url.empty() || !is_refusal) return absl::OkStatus();
  long offered = 0;
  curl_easy_getinfo(curl_.get(), CURLINFO_PROXYAUTH_AVAIL, &offered);
  return absl::UnauthenticatedError(
      absl::StrCat("proxy ", proxy_.url, ": HTTP 407: ",
                   proxy_.user.empty() ? "it wants credentials"
                                       : "it refuses the credentials",
                   "; it offers ", SchemeNames(offered),
                   ", this driver can do Basic, Digest and NTLM"));
}

ExchangeResult CurlSession::Conclude(int code, ResponseReader& reader) {
  absl::Status refusal = ProxyRefusal(reader);
  if (!refusal.ok()) {
    return Outcome(ExchangeResult::Kind::kFailed, std::move(refusal));
  }
  switch (reader.verdict()) {
    case ResponseReader::Verdict::kFailed:
      return Outcome(ExchangeResult::Kind::kFailed, reader.failure());
    case ResponseReader::Verdict::kUnusableRange:
      return Outcome(ExchangeResult::Kind::kUnusableRange, absl::OkStatus());
    case ResponseReader::Verdict::kFine:
      if (code == CURLE_OK) break;
      return FromCurlCode(static_cast<CURLcode>(code), error_.c_str());
    case ResponseReader::Verdict::kEnough:
      break;
  }
  absl::StatusOr<FetchResult> answer = reader.Finish();
  if (!answer.ok()) {
    return Outcome(ExchangeResult::Kind::kBroken, answer.status());
  }
  char* location = nullptr;
  curl_easy_getinfo(curl_.get(), CURLINFO_REDIRECT_URL, &location);
  return {.kind = ExchangeResult::Kind::kAnswer,
          .answer = *std::move(answer),
          .redirect = location == nullptr ? "" : location};
}

}  // namespace oneagent
