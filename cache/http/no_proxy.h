// Whom a proxy is not for, as Go reads it (golang.org/x/net/http/httpproxy):
// the operator, which sends requests of its own to the same hosts, is written
// in Go. Pure, thread-safe.
//
// Entries are separated by commas, blanks around them and case do not count:
//   *                      everybody
//   example.com            this host and all below it
//   .example.com           all below it; *.example.com is the same
//   10.0.0.1, fd00::1      this address
//   10.0.0.0/8, fd00::/8   addresses of this network
//   HOST:PORT, [fd00::1]:PORT   likewise, at this port alone
// Names are not resolved. localhost and loopback addresses are always exempt.
#ifndef CACHE_HTTP_NO_PROXY_H_
#define CACHE_HTTP_NO_PROXY_H_

#include <string>

#include "absl/strings/string_view.h"

namespace oneagent {

// True when `url` is to be asked directly, by `no_proxy`. A malformed URL is.
bool IsExempt(const std::string& url, absl::string_view no_proxy);

}  // namespace oneagent

#endif  // CACHE_HTTP_NO_PROXY_H_
