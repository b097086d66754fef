#include "cache/http/curl.h"

#include <curl/curl.h>
#include <limits.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace oneagent {

void FreeCurl::operator()(void* curl) const { curl_easy_cleanup(curl); }

void FreeCurlHeaders::operator()(curl_slist* list) const {
  curl_slist_free_all(list);
}

void InitCurl() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) abort();
  });
}

CurlHandle NewCurlHandle() {
  InitCurl();
  CurlHandle handle(curl_easy_init());
  if (handle == nullptr) abort();  // out of memory
  return handle;
}

CurlHeaders NewCurlHeaders(const std::vector<std::string>& headers) {
  CurlHeaders list;
  for (const std::string& header : headers) {
    curl_slist* const longer = curl_slist_append(list.get(), header.c_str());
    if (longer == nullptr) abort();  // out of memory
    (void)list.release();            // `longer` has it as its beginning
    list.reset(longer);
  }
  return list;
}

absl::Status CheckHeaders(const std::vector<std::string>& headers) {
  for (const std::string& header : headers) {
    if (std::any_of(header.begin(), header.end(), [](char c) {
          return absl::ascii_iscntrl(static_cast<unsigned char>(c));
        })) {
      return absl::InvalidArgumentError(absl::StrCat(
          "header ", absl::CHexEscape(header.substr(0, header.find(':'))),
          ": control character in the value"));
    }
  }
  return absl::OkStatus();
}

absl::Status CurlStatus(int code, absl::string_view text) {
  const auto curl_code = static_cast<CURLcode>(code);
  const std::string cause =
      PrintableText(text.empty() ? curl_easy_strerror(curl_code) : text);
  switch (curl_code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return absl::InvalidArgumentError(cause);
    case CURLE_SSL_CACERT_BADFILE:
      return absl::InvalidArgumentError(
          "trusted certificates are not valid PEM");
    case CURLE_SSL_CERTPROBLEM:
      return absl::InvalidArgumentError(
          "client certificate and key are not a valid pair");
    case CURLE_ABORTED_BY_CALLBACK:
      return absl::CancelledError("cancelled");
    case CURLE_OUT_OF_MEMORY:
      return absl::ResourceExhaustedError(cause);
    default:  // the hundred ways to be cut off
      return absl::UnavailableError(cause);
  }
}

bool MayPass(int code) {
  switch (static_cast<CURLcode>(code)) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_ABORTED_BY_CALLBACK:
    case CURLE_OUT_OF_MEMORY:
    // The same certificate will be there a second later.
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
      return false;
    default:
      return true;
  }
}

std::string PrintableText(absl::string_view text) {
  std::string result(absl::StripAsciiWhitespace(text));
  for (char& c : result) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = ' ';
  }
  return result;
}

long CurlMilliseconds(absl::Duration duration) {
  const int64_t count =
      absl::ToInt64Milliseconds(absl::Ceil(duration, absl::Milliseconds(1)));
  return static_cast<long>(std::clamp<int64_t>(count, 1, INT_MAX));
}

}  // namespace oneagent
