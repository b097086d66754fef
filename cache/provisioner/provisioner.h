// The provisioner as a whole: its parts, wired up, and its two ways to run.
//
//   Shutdown shutdown;           // Request it from another thread
//   auto provisioner = Provisioner::Open(config, clock, observer, shutdown);
//   (*provisioner)->Run();       // until then
#ifndef CACHE_PROVISIONER_PROVISIONER_H_
#define CACHE_PROVISIONER_PROVISIONER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "cache/collect/collector.h"
#include "cache/index/index.h"
#include "cache/kube/api_client.h"
#include "cache/kube/dynakube_source.h"
#include "cache/provisioner/agent_installer.h"
#include "cache/provisioner/cluster_outlets.h"
#include "cache/provisioner/commit_gate.h"
#include "cache/provisioner/config.h"
#include "cache/provisioner/notice_outlet.h"
#include "cache/provisioner/observer.h"
#include "cache/provisioner/observers.h"
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
  // left. An index that cannot be used is waited for, but not to run once;
  // Unavailable when the end was asked for meanwhile. Clock, observer and
  // shutdown are borrowed and must outlive it. Errors name the flag: another
  // provisioner works in --data-dir, or it cannot be used.
  static absl::StatusOr<std::unique_ptr<Provisioner>> Open(
      const ProvisionerConfig& config, const Clock& clock,
      CacheObserver& observer, Shutdown& shutdown);
  ~Provisioner();
  Provisioner(const Provisioner&) = delete;
  Provisioner& operator=(const Provisioner&) = delete;

  // One list, every DynaKube to its end, one collection. True when all are
  // ready and nothing was left out; false too when the end was asked for
  // before, which it does not wait beyond. Downloads end within a second.
  bool RunOnce();
  // Until the end is asked for: OK. FailedPrecondition when somebody deleted or
  // replaced the data directory: whoever starts the process again has all of it
  // made and installed anew.
  absl::Status Run();

  // False when something still ran after `timeout`: the process may just end,
  // which is no worse than a crash.
  bool Stop(absl::Duration timeout) { return scheduler_.Stop(timeout); }

 private:
  struct Opened {
    UniqueFd lock;
    std::unique_ptr<Index> index;
    std::unique_ptr<ApiClient> api_client;   // none with --dynakube-dir
    std::unique_ptr<DynaKubeSource> source;  // may borrow the client
    std::string boot_id;
  };
  static absl::StatusOr<Opened> OpenParts(const ProvisionerConfig& config,
                                          CacheObserver& observer,
                                          Shutdown& shutdown);

  static absl::Status OpenSource(const ProvisionerConfig& config,
                                 Opened& opened);

  static std::unique_ptr<ClusterOutlets> OpenOutlets(
      const ProvisionerConfig& config, const Opened& opened, const Clock& clock,
      CacheObserver& observer);

  Provisioner(const ProvisionerConfig& config, const Clock& clock,
              CacheObserver& observer, Shutdown& shutdown, Opened opened);

  void SettleOnce();

  const Clock& clock_;
  const Layout layout_;
  const Opened opened_;  // its lock on staging/ is held as long as this lives
  Shutdown& shutdown_;
  CurlFetcher curl_;
  CancellableFetcher fetcher_;
  DeploymentApi api_;
  Store store_;
  TenantBook book_;
  CommitGate gate_;
  NoticeLog notice_log_;
  const std::unique_ptr<ClusterOutlets> outlets_;  // none without a client
  Observers observer_;
  Collector collector_;
  TenantReconciler reconciler_;
  Scheduler scheduler_;
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_PROVISIONER_H_
