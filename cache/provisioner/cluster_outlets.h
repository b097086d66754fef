// What the provisioner writes into a cluster, wired up: Events on pods and
// DynaKubes, and, where it is asked for, the removal of the node's startup
// taint. Only with an API server.
#ifndef CACHE_PROVISIONER_CLUSTER_OUTLETS_H_
#define CACHE_PROVISIONER_CLUSTER_OUTLETS_H_

#include <memory>
#include <string>

#include "base/clock.h"
#include "cache/index/index.h"
#include "cache/kube/api_client.h"
#include "cache/kube/event_sink.h"
#include "cache/provisioner/event_courier.h"
#include "cache/provisioner/event_observer.h"
#include "cache/provisioner/observer.h"
#include "cache/provisioner/startup_taint.h"

namespace oneagent {

class ClusterOutlets {
 public:
  struct Options {
    std::string node_name;      // empty: the host's name
    std::string startup_taint;  // its key; empty: none is removed
    std::string boot_id;
  };
  // All but `options` are borrowed. Begins to send at Start.
  ClusterOutlets(ApiClient& client, Index& index, CacheObserver& observer,
                 const Clock& clock, const Options& options);

  void Start() { courier_.Start(); }
  NoticeOutlet& notices() { return courier_; }
  // To be told about reconciles.
  CacheObserver& observer() { return events_; }
  // What there is, now, without Start: for --once.
  void SendOnce() { courier_.RunOnce(clock_.Now()); }
  // As StartupTaint::Look.
  void LookAtTaint(bool agent_is_cached) {
    if (taint_ != nullptr) taint_->Look(agent_is_cached);
  }

 private:
  const Clock& clock_;
  const std::string node_name_;
  ApiEventSink sink_;
  EventCourier courier_;
  EventObserver events_;
  std::unique_ptr<StartupTaint> taint_;
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_CLUSTER_OUTLETS_H_
