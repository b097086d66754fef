// One HTTP request with everything that can go wrong on a network. Fetcher is
// the port; CurlFetcher (libcurl) the real one, FakeFetcher in tests/support.
#ifndef CACHE_SOURCE_FETCH_H_
#define CACHE_SOURCE_FETCH_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace oneagent {

// How to reach a tenant: shared by all requests to it.
struct Connection {
  std::string proxy;        // URL, may carry credentials; empty: none
  std::string no_proxy;     // comma-separated hosts
  std::string trusted_cas;  // PEM appended to the system's roots; empty: none
  bool skip_cert_check = false;
};

struct FetchRequest {
  std::string url;
  std::vector<std::string> headers;  // "Name: value"; never logged
  Connection connection;
  absl::Duration connect_timeout = absl::Seconds(10);
  absl::Duration timeout = absl::Minutes(15);        // the whole request
  absl::Duration stall_timeout = absl::Seconds(60);  // less than 1 byte/s
  int64_t max_bytes = 1 << 20;
  // Set: the body goes to this file; a file that is there is continued by a
  // Range request (with If-Range where an ETag is known: it is kept with the
  // file, as an extended attribute) and started anew when the server does not
  // honour it. After an error the file is left to be continued, but emptied
  // when it outgrew max_bytes. Else the body is kept in memory. A page for a
  // browser, which stands where a proxy or a log-in is in the way, never goes
  // to the file: `is_page` of the result.
  std::string file;
  // May be empty. Of a file, with what was there before; total 0: unknown.
  std::function<void(int64_t done, int64_t total)> progress;
  // Asked before each attempt and at least once a second on the fetching
  // thread; true ends the fetch with Cancelled. May be empty.
  std::function<bool()> cancelled = {};
};

struct FetchResult {
  int http_status = 0;  // 200 of a complete file, in however many pieces
  std::string body;     // when no file was asked for
  std::map<std::string, std::string> headers;  // names in lower case
  int64_t bytes = 0;                           // size of body or file
  std::string sha256;                          // hex of body or file
  bool is_page = false;  // HTML, by its Content-Type or its first character
};

class Fetcher {
 public:
  virtual ~Fetcher() = default;

  // Any HTTP answer but a proxy's 407 is a result, also 3xx, 4xx and 5xx (with
  // the first MiB of the body in memory, never in the file). Nothing is waited
  // for but the network: when to try again is the caller's to decide. A file
  // that broke off is asked for anew as long as that brings more of it.
  // Errors, all naming the URL without its query:
  // Unavailable no answer (DNS, connection, TLS, stall, cut);
  // Unauthenticated the proxy refuses the credentials, or wants some;
  // DeadlineExceeded; ResourceExhausted larger than max_bytes, or disk full;
  // InvalidArgument malformed URL, proxy, header or trusted_cas, credentials
  // in the URL, or a scheme that is not http(s); Internal a file that cannot
  // be written.
  // Follows no redirect to another host with our headers. Thread-safe.
  virtual absl::StatusOr<FetchResult> Fetch(const FetchRequest& request) = 0;
};

}  // namespace oneagent

#endif  // CACHE_SOURCE_FETCH_H_
