// A Fetcher without a network: answers by rules, remembers what it was asked.
//
//   FakeFetcher fetcher;
//   fetcher.Answer("/latest/metainfo", 200, R"({"latestAgentVersion":"1.2"})");
//   fetcher.Fail("/connectioninfo", absl::UnavailableError("no network"));
//
// The last rule added whose `url_part` is in the URL counts; a request that no
// rule fits is Unavailable. A 200 goes to the request's file when it names one.
// Thread-safe.
#ifndef TESTS_SUPPORT_FAKE_FETCHER_H_
#define TESTS_SUPPORT_FAKE_FETCHER_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "cache/source/fetch.h"

namespace oneagent {

class FakeFetcher final : public Fetcher {
 public:
  void Answer(std::string url_part, int http_status, std::string body);
  void Fail(std::string url_part, absl::Status status);
  // Computes the answer; called without a lock held, so it may wait.
  void AnswerBy(
      std::string url_part,
      std::function<absl::StatusOr<FetchResult>(const FetchRequest&)> rule);

  absl::StatusOr<FetchResult> Fetch(const FetchRequest& request) override;

  std::vector<FetchRequest> Requests() const;
  int CountRequests(absl::string_view url_part) const;

 private:
  struct Rule {
    std::string url_part;
    std::function<absl::StatusOr<FetchResult>(const FetchRequest&)> answer;
  };

  mutable Mutex mu_;
  std::vector<Rule> rules_ ABSL_GUARDED_BY(mu_);
  std::vector<FetchRequest> requests_ ABSL_GUARDED_BY(mu_);
};

}  // namespace oneagent

#endif  // TESTS_SUPPORT_FAKE_FETCHER_H_
