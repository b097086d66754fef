// Fetcher by libcurl. One instance serves all threads.
//
// An attempt is one request with the redirects to its own origin (five at
// most) and, where the server cannot continue the file, one request for all of
// it. Between attempts it waits: as long as Retry-After says, at most two
// minutes, else half a second and doubling, at most 30 s; with jitter, so that
// the nodes of a cluster do not come back all at once. Waiting never passes
// the request's timeout.
#ifndef CACHE_SOURCE_CURL_FETCHER_H_
#define CACHE_SOURCE_CURL_FETCHER_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cache/source/fetch.h"

namespace oneagent {

class CurlFetcher final : public Fetcher {
 public:
  // For requests that name no proxy of their own.
  struct DefaultProxy {
    std::string url;       // as Connection::proxy
    std::string no_proxy;  // as Connection::no_proxy
  };
  // `sleep` waits between attempts and may return early (shutdown, tests).
  CurlFetcher(std::string user_agent, std::function<void(absl::Duration)> sleep,
              DefaultProxy default_proxy = {});

  absl::StatusOr<FetchResult> Fetch(const FetchRequest& request) override;

 private:
  absl::StatusOr<FetchResult> TryUntilDone(FetchRequest request);

  const std::string user_agent_;
  const std::function<void(absl::Duration)> sleep_;
  const DefaultProxy default_proxy_;
};

}  // namespace oneagent

#endif  // CACHE_SOURCE_CURL_FETCHER_H_
