// Whether a daemon is ready: a few named conditions that whoever looks after
// them sets, and the page /readyz that says which of them hold.
//
//   Readiness ready({"index", "socket"});
//   ready.Set("index", status);        // from a chore, again and again
//   HttpListener::Open(address, {{"/readyz", [&] { return ready.Page(); }}});
//
// The page is made from memory: nothing that is broken can make it wait.
// Thread-safe.
#ifndef BASE_READINESS_H_
#define BASE_READINESS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/http_listener.h"
#include "base/mutex.h"

namespace oneagent {

class Readiness {
 public:
  // None of the conditions holds until it is set.
  explicit Readiness(const std::vector<std::string>& conditions);

  // OK: `condition` holds; else why not. A condition that is new is added.
  void Set(absl::string_view condition, const absl::Status& status);

  // 200 when all hold, else 503; a line for each, with what is wrong.
  HttpPage Page() const;

 private:
  mutable Mutex mu_;
  std::map<std::string, absl::Status> conditions_ ABSL_GUARDED_BY(mu_);
};

// "ok" with 200, or what is wrong with `failure` as the status code.
HttpPage StatusPage(const absl::Status& status, int failure);

}  // namespace oneagent

#endif  // BASE_READINESS_H_
