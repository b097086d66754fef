// The wish to end, seen by everything that waits: sleeps end early and fetches
// are cancelled. Thread-safe.
#ifndef CACHE_PROVISIONER_SHUTDOWN_H_
#define CACHE_PROVISIONER_SHUTDOWN_H_

#include <functional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "cache/source/fetch.h"

namespace oneagent {

class Shutdown {
 public:
  void Request();
  bool IsRequested() const;
  // `waker` wakes what waits elsewhere: it is called by Request, or now when
  // that was before. It must not call back. Null: none any more.
  void SetWaker(std::function<void()> waker);
  // Sleeps, at most until Request.
  void Sleep(absl::Duration duration);

 private:
  mutable Mutex mu_;
  CondVar requested_;
  bool is_requested_ ABSL_GUARDED_BY(mu_) = false;
  std::function<void()> waker_ ABSL_GUARDED_BY(mu_);
};

// Passes requests on, to be cancelled by a shutdown. Both are borrowed.
class CancellableFetcher final : public Fetcher {
 public:
  CancellableFetcher(Fetcher& fetcher, const Shutdown& shutdown)
      : fetcher_(fetcher), shutdown_(shutdown) {}

  absl::StatusOr<FetchResult> Fetch(const FetchRequest& request) override;

 private:
  Fetcher& fetcher_;
  const Shutdown& shutdown_;
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_SHUTDOWN_H_
