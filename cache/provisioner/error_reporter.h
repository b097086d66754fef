// Tells the observer about errors that last: once, and again when the error
// has become another one or was over meanwhile. Thread-safe.
#ifndef CACHE_PROVISIONER_ERROR_REPORTER_H_
#define CACHE_PROVISIONER_ERROR_REPORTER_H_

#include <map>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "base/mutex.h"
#include "cache/provisioner/observer.h"

namespace oneagent {

class ErrorReporter {
 public:
  // The observer is borrowed.
  explicit ErrorReporter(CacheObserver& observer) : observer_(observer) {}

  // How a chore went this time. `about`: as CacheObserver::OnError.
  void Report(Chore chore, const absl::Status& status,
              const std::string& about = "");

 private:
  CacheObserver& observer_;
  Mutex mu_;
  std::map<std::pair<Chore, std::string>, std::string> errors_
      ABSL_GUARDED_BY(mu_);  // told
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_ERROR_REPORTER_H_
