#include "cache/http/url.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status_macros.h"

namespace oneagent {
namespace {

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using UrlHandle = std::unique_ptr<CURLU, FreeUrl>;

// nullptr when `text` is no URL of a scheme that libcurl knows.
UrlHandle ParseUrl(const std::string& text, unsigned int flags = 0) {
  UrlHandle url(curl_url());
  if (text.find('\0') != std::string::npos ||
      curl_url_set(url.get(), CURLUPART_URL, text.c_str(), flags) !=
          CURLUE_OK) {
    return nullptr;
  }
  return url;
}

std::optional<std::string> Part(const UrlHandle& url, CURLUPart part,
                                unsigned int flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, flags) != CURLUE_OK) {
    return std::nullopt;
  }
  std::string result = text;
  curl_free(text);
  return result;
}

std::string Origin(const UrlHandle& url) {
  return absl::StrCat(
      Part(url, CURLUPART_SCHEME).value_or(""), "://",
      absl::AsciiStrToLower(Part(url, CURLUPART_HOST).value_or("")), ":",
      Part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT).value_or(""));
}

absl::Status MustBeEncoded(absl::string_view raw) {
  return absl::InvalidArgumentError(absl::StrCat(
      "proxy URL: \"", raw, "\" in the credentials has to be written as ",
      PercentEncode(raw)));
}

bool IsEscape(absl::string_view text) {
  return text.size() >= 3 &&
         absl::ascii_isxdigit(static_cast<unsigned char>(text[1])) &&
         absl::ascii_isxdigit(static_cast<unsigned char>(text[2]));
}

// The host begins behind the last "@", as Go has it; libcurl takes the first.
absl::StatusOr<std::string> WithEncodedUser(const std::string& proxy) {
  const size_t scheme = proxy.find("://");
  const size_t start = scheme == std::string::npos ? 0 : scheme + 3;
  const size_t end = std::min(proxy.find_first_of("/?#", start), proxy.size());
  if (proxy.find('@', end) != std::string::npos) {
    return MustBeEncoded(absl::string_view(proxy).substr(end, 1));
  }
  const size_t at = proxy.rfind('@', end);
  if (at == std::string::npos || at < start) return proxy;
  const std::string user = proxy.substr(start, at - start);
  for (size_t i = user.find('%'); i != std::string::npos;
       i = user.find('%', i + 1)) {
    if (!IsEscape(absl::string_view(user).substr(i))) {
      return MustBeEncoded("%");
    }
  }
  return absl::StrCat(proxy.substr(0, start),
                      absl::StrReplaceAll(user, {{"@", "%40"}}),
                      proxy.substr(at));
}

}  // namespace

std::string RedactedUrl(const std::string& url) {
  const UrlHandle parsed = ParseUrl(url);
  if (parsed == nullptr) return "(malformed URL)";
  curl_url_set(parsed.get(), CURLUPART_USER, nullptr, 0);
  curl_url_set(parsed.get(), CURLUPART_PASSWORD, nullptr, 0);
  curl_url_set(parsed.get(), CURLUPART_OPTIONS, nullptr, 0);
  curl_url_set(parsed.get(), CURLUPART_QUERY, nullptr, 0);
  curl_url_set(parsed.get(), CURLUPART_FRAGMENT, nullptr, 0);
  return Part(parsed, CURLUPART_URL).value_or("(malformed URL)");
}

absl::Status CheckUrl(const std::string& url) {
  const UrlHandle parsed = ParseUrl(url, CURLU_NON_SUPPORT_SCHEME);
  if (parsed == nullptr) return absl::InvalidArgumentError("malformed URL");
  const std::string scheme = Part(parsed, CURLUPART_SCHEME).value_or("");
  if (scheme != "http" && scheme != "https") {
    return absl::InvalidArgumentError("URL is neither http nor https");
  }
  // They would end up wherever the URL is shown or stored.
  if (Part(parsed, CURLUPART_USER).has_value() ||
      Part(parsed, CURLUPART_PASSWORD).has_value()) {
    return absl::InvalidArgumentError("URL carries credentials");
  }
  // libcurl forgives: to it "http:///api" is the host "api", and a token would
  // go there.
  std::string start =
      absl::StrCat(scheme, "://", Part(parsed, CURLUPART_HOST).value_or(""));
  const std::optional<std::string> port = Part(parsed, CURLUPART_PORT);
  if (port.has_value()) absl::StrAppend(&start, ":", *port);
  if (!absl::StartsWithIgnoreCase(url, start)) {
    return absl::InvalidArgumentError(
        absl::StartsWithIgnoreCase(url, absl::StrCat(scheme, ":///"))
            ? "URL without a host"
            : "malformed URL");
  }
  return absl::OkStatus();
}

std::string OriginOf(const std::string& url) {
  const UrlHandle parsed = ParseUrl(url);
  return parsed == nullptr ? "" : Origin(parsed);
}

bool SameOrigin(const std::string& a, const std::string& b) {
  const UrlHandle first = ParseUrl(a);
  const UrlHandle second = ParseUrl(b);
  return first != nullptr && second != nullptr &&
         Origin(first) == Origin(second);
}

HostPort HostPortOf(const std::string& url) {
  const UrlHandle parsed = ParseUrl(url);
  if (parsed == nullptr) return {};
  return {
      .host = Part(parsed, CURLUPART_HOST).value_or(""),
      .port = Part(parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT).value_or("")};
}

std::string WithHost(const std::string& url, const std::string& host) {
  const UrlHandle parsed = ParseUrl(url);
  if (parsed == nullptr || host.empty() ||
      curl_url_set(parsed.get(), CURLUPART_HOST, host.c_str(), 0) !=
          CURLUE_OK) {
    return "";
  }
  return Part(parsed, CURLUPART_URL).value_or("");
}

absl::StatusOr<ProxyAddress> ParseProxy(const std::string& given_url) {
  ASSIGN_OR_RETURN(const std::string proxy, WithEncodedUser(given_url));
  // A proxy is often given as "host:port"; that means http.
  const UrlHandle url =
      ParseUrl(proxy, CURLU_NON_SUPPORT_SCHEME | CURLU_DEFAULT_SCHEME);
  if (url == nullptr || !Part(url, CURLUPART_HOST).has_value()) {
    return absl::InvalidArgumentError("malformed proxy URL");
  }
  const std::string given = absl::StrContains(proxy, "://")
                                ? Part(url, CURLUPART_SCHEME).value_or("")
                                : "http";
  if (given != "http" && given != "https" && given != "socks5" &&
      given != "socks5h") {
    return absl::InvalidArgumentError(
        "proxy URL is neither http nor https nor socks5");
  }
  ProxyAddress address;
  address.url =
      absl::StrCat(given, "://", Part(url, CURLUPART_HOST).value_or(""));
  // libcurl's own default, 1080 for every kind, is not what a URL means.
  const std::string usual = given == "http"    ? "80"
                            : given == "https" ? "443"
                                               : "1080";
  absl::StrAppend(&address.url, ":", Part(url, CURLUPART_PORT).value_or(usual));
  address.user = Part(url, CURLUPART_USER, CURLU_URLDECODE).value_or("");
  address.password =
      Part(url, CURLUPART_PASSWORD, CURLU_URLDECODE).value_or("");
  return address;
}

std::string PercentEncode(absl::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || c == '-' || c == '.' || c == '_' ||
        c == '~') {
      encoded.push_back(c);
    } else {
      encoded.push_back('%');
      encoded.push_back(kHex[byte >> 4]);
      encoded.push_back(kHex[byte & 15]);
    }
  }
  return encoded;
}

std::string QueryString(
    const std::vector<std::pair<std::string, std::string>>& parameters) {
  std::string query;
  for (const auto& [name, value] : parameters) {
    if (value.empty()) continue;
    absl::StrAppend(&query, query.empty() ? "?" : "&", PercentEncode(name), "=",
                    PercentEncode(value));
  }
  return query;
}

}  // namespace oneagent
