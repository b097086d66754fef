// Fetcher by libcurl. One instance serves all threads.
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
  // `sleep` waits between attempts and may return early (shutdown, tests).
  CurlFetcher(std::string user_agent,
              std::function<void(absl::Duration)> sleep);

  absl::StatusOr<FetchResult> Fetch(const FetchRequest& request) override;

 private:
  const std::string user_agent_;
  const std::function<void(absl::Duration)> sleep_;
};

}  // namespace oneagent

#endif  // CACHE_SOURCE_CURL_FETCHER_H_
