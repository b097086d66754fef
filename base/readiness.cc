#include "base/readiness.h"

#include "absl/strings/str_cat.h"

namespace oneagent {

Readiness::Readiness(const std::vector<std::string>& conditions) {
  for (const std::string& condition : conditions) {
    conditions_.emplace(condition, absl::UnavailableError("not yet"));
  }
}

void Readiness::Set(absl::string_view condition, const absl::Status& status) {
  MutexLock lock(mu_);
  conditions_[std::string(condition)] = status;
}

HttpPage Readiness::Page() const {
  HttpPage page;
  MutexLock lock(mu_);
  for (const auto& [condition, status] : conditions_) {
    absl::StrAppend(&page.body, condition, ": ",
                    status.ok() ? "ok" : status.message(), "\n");
    if (!status.ok()) page.status = 503;
  }
  return page;
}

HttpPage StatusPage(const absl::Status& status, int failure) {
  if (status.ok()) return {.body = "ok\n"};
  return {.status = failure, .body = absl::StrCat(status.message(), "\n")};
}

}  // namespace oneagent
