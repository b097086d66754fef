#include "tests/support/fake_fetcher.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/sha256.h"

namespace oneagent {

void FakeFetcher::Answer(std::string url_part, int http_status,
                         std::string body) {
  AnswerBy(std::move(url_part),
           [http_status, body = std::move(body)](const FetchRequest&) {
             FetchResult result;
             result.http_status = http_status;
             result.body = body;
             return absl::StatusOr<FetchResult>(std::move(result));
           });
}

void FakeFetcher::Fail(std::string url_part, absl::Status status) {
  AnswerBy(std::move(url_part),
           [status = std::move(status)](const FetchRequest&) {
             return absl::StatusOr<FetchResult>(status);
           });
}

void FakeFetcher::AnswerBy(
    std::string url_part,
    std::function<absl::StatusOr<FetchResult>(const FetchRequest&)> rule) {
  MutexLock lock(mu_);
  rules_.push_back({std::move(url_part), std::move(rule)});
}

absl::StatusOr<FetchResult> FakeFetcher::Fetch(const FetchRequest& request) {
  std::function<absl::StatusOr<FetchResult>(const FetchRequest&)> answer;
  {
    MutexLock lock(mu_);
    requests_.push_back(request);
    for (const Rule& rule : rules_) {
      if (absl::StrContains(request.url, rule.url_part)) answer = rule.answer;
    }
  }
  if (!answer) {
    return absl::UnavailableError(
        absl::StrCat("GET ", request.url, ": no rule of the fake fits"));
  }
  absl::StatusOr<FetchResult> result = answer(request);
  if (!result.ok()) return result;
  result->bytes = static_cast<int64_t>(result->body.size());
  result->sha256 = Sha256Hex(result->body);
  if (result->http_status != 200 || request.file.empty()) return result;
  if (request.progress) request.progress(0, result->bytes);
  std::ofstream out(request.file, std::ios::binary | std::ios::trunc);
  out << result->body;
  out.close();
  if (!out.good()) {
    return absl::InternalError(absl::StrCat("write ", request.file));
  }
  if (request.progress) request.progress(result->bytes, result->bytes);
  result->body.clear();
  return result;
}

std::vector<FetchRequest> FakeFetcher::Requests() const {
  MutexLock lock(mu_);
  return requests_;
}

int FakeFetcher::CountRequests(absl::string_view url_part) const {
  MutexLock lock(mu_);
  return static_cast<int>(std::count_if(
      requests_.begin(), requests_.end(), [&](const FetchRequest& request) {
        return absl::StrContains(request.url, url_part);
      }));
}

}  // namespace oneagent
