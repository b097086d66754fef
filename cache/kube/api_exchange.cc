#include "cache/kube/api_exchange.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/posix_status.h"
#include "cache/http/url.h"

namespace oneagent {
namespace {

constexpr absl::Duration kConnectTimeout = absl::Seconds(10);
// A peer that is gone without a word is found out by the kernel: what is sent
// and not acknowledged for this long, probes of an idle connection too, ends
// the connection.
constexpr int kUserTimeoutMs = 40'000;
constexpr long kKeepIdleSeconds = 30;
constexpr long kKeepIntervalSeconds = 10;
// Many streams are open at once and carry little: libcurl's default is 16 KiB.
constexpr long kReceiveBuffer = 8 << 10;

int SetUserTimeout(void*, curl_socket_t fd, curlsocktype) {
  // Of a system without it the keep-alive probes remain.
  (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUserTimeoutMs,
                   sizeof(kUserTimeoutMs));
  return CURL_SOCKOPT_OK;
}

bool IsSuccess(int status) { return status >= 200 && status < 300; }

// A file by its name, a text as a copy.
void SetPem(CURL* curl, const PemSource& pem, CURLoption file_option,
            CURLoption blob_option) {
  if (pem.IsEmpty()) return;
  if (!pem.file.empty()) {
    curl_easy_setopt(curl, file_option, pem.file.c_str());
    return;
  }
  std::string text = pem.text;
  curl_blob blob = {
      .data = text.data(), .len = text.size(), .flags = CURL_BLOB_COPY};
  curl_easy_setopt(curl, blob_option, &blob);
}

}  // namespace

ApiExchange::ApiExchange(uint64_t id, Common& common, ApiRequest request,
                         ApiHandlers handlers)
    : id_(id),
      common_(common),
      request_(std::move(request)),
      handlers_(std::move(handlers)),
      curl_(NewCurlHandle()),
      url_(absl::StrCat(common.access.server, request_.path,
                        QueryString(request_.query))),
      error_(CURL_ERROR_SIZE, '\0') {}

absl::Status ApiExchange::Named(const absl::Status& status) const {
  return Annotate(status,
                  absl::StrCat(request_.method, " ", RedactedUrl(url_)));
}

absl::Status ApiExchange::Prepare(const std::string& token) {
  CURL* const curl = curl_.get();
  curl_easy_reset(curl);
  token_ = token;
  body_.clear();
  is_answered_ = false;
  error_[0] = '\0';
  std::vector<std::string> headers = {"Accept: application/json", "Expect:"};
  if (!token_.empty()) {
    headers.push_back(absl::StrCat("Authorization: Bearer ", token_));
  }
  if (!request_.body.empty()) {
    headers.push_back(absl::StrCat("Content-Type: ", request_.content_type));
  }
  const absl::Status fit = CheckHeaders(headers);
  if (!fit.ok()) return Named(fit);
  headers_ = NewCurlHeaders(headers);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers_.get());
  SetConnection();
  SetTrust();
  SetMethod();
  curl_easy_setopt(curl, CURLOPT_PRIVATE, this);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &ApiExchange::OnHeaderLine);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &ApiExchange::OnBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error_.data());
  return absl::OkStatus();
}

void ApiExchange::SetConnection() {
  CURL* const curl = curl_.get();
  const std::string& tls_name = common_.access.tls_server_name;
  std::string url = url_;
  if (!tls_name.empty()) {
    // The name stands in the URL, the connection goes to the server.
    const HostPort server = HostPortOf(common_.access.server);
    connect_to_ = NewCurlHeaders({absl::StrCat(tls_name, ":", server.port, ":",
                                               server.host, ":", server.port)});
    curl_easy_setopt(curl, CURLOPT_CONNECT_TO, connect_to_.get());
    url = WithHost(url_, tls_name);
  }
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  // Set even though empty: else libcurl takes the environment's.
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_USERAGENT, common_.user_agent.c_str());
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, kReceiveBuffer);
  // All streams share a connection where the server can do that. (Not with
  // CURLOPT_PIPEWAIT: of those that wait, libcurl 7.88 lets one go for each
  // that ends, and watches do not end. The client sees to it.)
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_2TLS});
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                   CurlMilliseconds(kConnectTimeout));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                   CurlMilliseconds(request_.timeout));
  curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(curl, CURLOPT_TCP_KEEPIDLE, kKeepIdleSeconds);
  curl_easy_setopt(curl, CURLOPT_TCP_KEEPINTVL, kKeepIntervalSeconds);
  curl_easy_setopt(curl, CURLOPT_SOCKOPTFUNCTION, &SetUserTimeout);
}

void ApiExchange::SetTrust() {
  CURL* const curl = curl_.get();
  const ApiAccess& access = common_.access;
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2});
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER,
                   access.skip_cert_check ? 0L : 1L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST,
                   access.skip_cert_check ? 0L : 2L);
  if (!access.ca.IsEmpty()) {
    // The cluster's CA instead of the system's roots, not beside them.
    curl_easy_setopt(curl, CURLOPT_CAPATH, nullptr);
    curl_easy_setopt(curl, CURLOPT_CAINFO, nullptr);
    SetPem(curl, access.ca, CURLOPT_CAINFO, CURLOPT_CAINFO_BLOB);
    // It may be replaced: read for each connection.
    curl_easy_setopt(curl, CURLOPT_CA_CACHE_TIMEOUT, 0L);
  }
  SetPem(curl, access.client_certificate, CURLOPT_SSLCERT,
         CURLOPT_SSLCERT_BLOB);
  SetPem(curl, access.client_key, CURLOPT_SSLKEY, CURLOPT_SSLKEY_BLOB);
}

void ApiExchange::SetMethod() {
  CURL* const curl = curl_.get();
  if (request_.method == "GET") return;
  if (!request_.body.empty()) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request_.body.data());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request_.body.size()));
  }
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
}

int ApiExchange::HttpStatus() const {
  long status = 0;
  curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &status);
  return static_cast<int>(status);
}

size_t ApiExchange::OnHeaderLine(char* data, size_t size, size_t count,
                                 void* self) {
  auto* const exchange = static_cast<ApiExchange*>(self);
  const absl::string_view line(data, size * count);
  exchange->is_answered_ = true;
  exchange->common_.is_connected = true;
  exchange->common_.last_byte = std::chrono::steady_clock::now();
  const bool is_end = line == "\r\n" || line == "\n";
  if (is_end && !exchange->is_muted_ && exchange->handlers_.on_open &&
      IsSuccess(exchange->HttpStatus())) {
    exchange->handlers_.on_open();
  }
  return line.size();
}

size_t ApiExchange::OnBody(char* data, size_t size, size_t count, void* self) {
  auto* const exchange = static_cast<ApiExchange*>(self);
  const absl::string_view bytes(data, size * count);
  exchange->common_.last_byte = std::chrono::steady_clock::now();
  // Anything but the number of bytes given ends the exchange.
  return exchange->TakeBytes(bytes) ? bytes.size() : 0;
}

bool ApiExchange::TakeBytes(absl::string_view bytes) {
  if (is_muted_) return false;
  if (handlers_.on_bytes && IsSuccess(HttpStatus())) {
    is_ended_by_handler_ = !handlers_.on_bytes(bytes);
    return !is_ended_by_handler_;
  }
  is_too_large_ =
      static_cast<int64_t>(body_.size() + bytes.size()) > request_.max_bytes;
  if (is_too_large_) return false;
  body_.append(bytes.data(), bytes.size());
  return true;
}

absl::StatusOr<ApiAnswer> ApiExchange::Conclude(int code) {
  if (is_too_large_) {
    return Named(absl::ResourceExhaustedError(
        absl::StrCat("answer larger than ", request_.max_bytes, " bytes")));
  }
  if (is_ended_by_handler_) return Named(absl::CancelledError("ended"));
  if (code != CURLE_OK) return Named(CurlStatus(code, error_.c_str()));
  ApiAnswer answer = {.code = HttpStatus(), .body = std::move(body_)};
  curl_off_t seconds = 0;
  if (curl_easy_getinfo(curl_.get(), CURLINFO_RETRY_AFTER, &seconds) ==
          CURLE_OK &&
      seconds > 0) {
    answer.retry_after = absl::Seconds(seconds);
  }
  return answer;
}

}  // namespace oneagent
