// The provisioner's /healthz and /readyz.
//
// /healthz: its loop turns. Nothing that the loop may wait for (a tenant, the
// index) makes it fail, because each of those waits is bounded far below
// `longest_turn`. While what a crash left is mended at the start, which may
// take minutes, it is healthy.
// /readyz: `dynakubes` were listed once, and the `index` can be used.
#ifndef CACHE_PROVISIONER_HEALTH_H_
#define CACHE_PROVISIONER_HEALTH_H_

#include <atomic>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/heartbeat.h"
#include "base/http_listener.h"
#include "base/readiness.h"
#include "cache/provisioner/observer.h"

namespace oneagent {

class ProvisionerHealth final : public CacheObserver {
 public:
  explicit ProvisionerHealth(absl::Duration longest_turn = absl::Minutes(2))
      : longest_turn_(longest_turn), readiness_({"dynakubes", "index"}) {}

  // Thread-safe; this must outlive who serves them.
  HttpPages Pages() const;

  void OnTurn(const absl::Status& index) override;
  void OnListed(const absl::Status& status) override;

 private:
  absl::Status CheckLoop() const;

  const absl::Duration longest_turn_;
  Heartbeat heartbeat_;
  Readiness readiness_;
  std::atomic<bool> was_listed_{false};
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_HEALTH_H_
