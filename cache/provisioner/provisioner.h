// The provisioner as a whole: its parts, wired up, and its two ways to run.
//
//   auto provisioner = Provisioner::Open(config, clock, observer);
//   (*provisioner)->Run();       // until RequestEnd, from another thread
#ifndef CACHE_PROVISIONER_PROVISIONER_H_
#define CACHE_PROVISIONER_PROVISIONER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "cache/collect/collector.h"
#include "cache/index/index.h"
#include "cache/kube/dynakube_source.h"
#include "cache/provisioner/agent_installer.h"
#include "cache/provisioner/commit_gate.h"
#include "cache/provisioner/config.h"
#include "cache/provisioner/observer.h"
#include "cache/provisioner/reconciler.h"
#include "cache/provisioner/scheduler.h"
#include "cache/provisioner/shutdown.h"
#include "cache/provisioner/tenant_book.h"
#include "cache/source/curl_fetcher.h"
#include "cache/source/deployment_api.h"
#include "cache/store/store.h"

namespace oneagent {

class Provisioner {
 public:
  // Prepares the data directory, opens the index and recovers what a crash
  // left. Clock and observer are borrowed and must outlive it. Errors name the
  // flag: another provisioner works in --data-dir, or it cannot be used.
  static absl::StatusOr<std::unique_ptr<Provisioner>> Open(
      const ProvisionerConfig& config, const Clock& clock,
      CacheObserver& observer);

  // One list, every DynaKube to its end, one collection. True when all are
  // ready and nothing was left out.
  bool RunOnce();
  // Until RequestEnd.
  void Run();

  // Thread-safe; also before Run. Downloads end within a second.
  void RequestEnd();
  // False when something still ran after `timeout`: the process may just end,
  // which is no worse than a crash.
  bool Stop(absl::Duration timeout) { return scheduler_.Stop(timeout); }

 private:
  struct Opened {
    UniqueFd lock;
    std::unique_ptr<Index> index;
    std::unique_ptr<DynaKubeSource> source;
    std::string boot_id;
  };
  static absl::StatusOr<Opened> OpenParts(const ProvisionerConfig& config,
                                          CacheObserver& observer);

  Provisioner(const ProvisionerConfig& config, const Clock& clock,
              CacheObserver& observer, Opened opened);

  const Clock& clock_;
  const Opened opened_;  // its lock on staging/ is held as long as this lives
  Shutdown shutdown_;
  CurlFetcher curl_;
  CancellableFetcher fetcher_;
  DeploymentApi api_;
  Store store_;
  TenantBook book_;
  CommitGate gate_;
  Collector collector_;
  Reconciler reconciler_;
  Scheduler scheduler_;
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_PROVISIONER_H_
