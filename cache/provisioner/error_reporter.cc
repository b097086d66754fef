#include "cache/provisioner/error_reporter.h"

#include <string>

namespace oneagent {

void ErrorReporter::Report(Chore chore, const absl::Status& status,
                           const std::string& about) {
  {
    MutexLock lock(mu_);
    if (status.ok()) {
      errors_.erase({chore, about});
      return;
    }
    std::string& last = errors_[{chore, about}];
    if (last == status.message()) return;
    last = std::string(status.message());
  }
  observer_.OnError(chore, about, status);
}

}  // namespace oneagent
