// URLs of requests: what may be fetched, shown, followed. Pure, thread-safe.
#ifndef CACHE_HTTP_URL_H_
#define CACHE_HTTP_URL_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace oneagent {

// What may be shown of a URL: scheme, host, port and path; neither query nor
// fragment nor credentials, and "(malformed URL)" when it is none.
std::string RedactedUrl(const std::string& url);

// OK for an absolute http or https URL that says where it leads: as it is
// written, its host is the one that libcurl would ask, and no credentials stand
// before it. Errors: InvalidArgument, without any part of `url`.
absl::Status CheckUrl(const std::string& url);

// True when both are URLs with the same scheme, host and port.
bool SameOrigin(const std::string& a, const std::string& b);

// Scheme, host and port in one text; "" when it is malformed.
std::string OriginOf(const std::string& url);

// Host (with the brackets of an IPv6 address) and port, the scheme's own where
// the URL names none; both "" when it is malformed.
struct HostPort {
  std::string host;
  std::string port;
};
HostPort HostPortOf(const std::string& url);

// `url` with another host, everything else as it was; "" when either is
// malformed.
std::string WithHost(const std::string& url, const std::string& host);

// A proxy's URL without the credentials in it, and these, decoded.
struct ProxyAddress {
  std::string url;
  std::string user;
  std::string password;
};
// A raw "@" in the password is understood; "/", "?", "#" and "%" are not, for
// nobody can tell where the credentials end. Errors: InvalidArgument, with
// nothing of `proxy` but the character that has to be percent-encoded.
absl::StatusOr<ProxyAddress> ParseProxy(const std::string& proxy);

// `text` with everything but unreserved characters as %XX.
std::string PercentEncode(absl::string_view text);

// "?a=1&b=2", encoded; parameters without a value are left out, "" for none.
std::string QueryString(
    const std::vector<std::pair<std::string, std::string>>& parameters);

}  // namespace oneagent

#endif  // CACHE_HTTP_URL_H_
