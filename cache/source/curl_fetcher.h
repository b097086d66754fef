// Fetcher by libcurl. One instance serves all threads.
//
// A request is one exchange with the redirects to its own origin (five at most)
// and, where the server cannot continue the file, one exchange for all of it.
// It never sleeps. Credentials that proxy or tenant refused (407, 401, 403) are
// not sent again for half an hour: the refusal is what callers get again.
#ifndef CACHE_SOURCE_CURL_FETCHER_H_
#define CACHE_SOURCE_CURL_FETCHER_H_

#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "cache/http/url.h"
#include "cache/source/fetch.h"
#include "cache/source/refusals.h"

namespace oneagent {

class CurlFetcher final : public Fetcher {
 public:
  // For requests that name no proxy of their own.
  struct DefaultProxy {
    std::string url;       // as Connection::proxy
    std::string no_proxy;  // as Connection::no_proxy
  };
  // The clock is borrowed; it says when a refusal is forgotten.
  CurlFetcher(std::string user_agent, const Clock& clock,
              DefaultProxy default_proxy = {});

  absl::StatusOr<FetchResult> Fetch(const FetchRequest& request) override;

 private:
  absl::StatusOr<FetchResult> Check(FetchRequest request);
  absl::StatusOr<FetchResult> AskUnlessRefused(const FetchRequest& request,
                                               const ProxyAddress& proxy);
  absl::StatusOr<FetchResult> AskOnce(const FetchRequest& request,
                                      const ProxyAddress& proxy);

  const std::string user_agent_;
  const DefaultProxy default_proxy_;
  Refusals refusals_;
};

}  // namespace oneagent

#endif  // CACHE_SOURCE_CURL_FETCHER_H_
