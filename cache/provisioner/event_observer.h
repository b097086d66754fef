// Posts Events on DynaKubes: AgentInstalled when new
// pods of one get another agent, AgentInstallFailed with the cause when that
// failed. What a DynaKube only waits for (the operator, a Secret) is posted
// when it waits for the same for the second time: in a cluster that is just
// being set up it waits for everything. Thread-safe.
#ifndef CACHE_PROVISIONER_EVENT_OBSERVER_H_
#define CACHE_PROVISIONER_EVENT_OBSERVER_H_

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"
#include "cache/kube/event.h"
#include "cache/provisioner/observer.h"

namespace oneagent {

class EventObserver final : public CacheObserver {
 public:
  // `clock` is borrowed; `node` is said in each note.
  EventObserver(std::function<void(KubeEvent)> post, const Clock& clock,
                std::string node)
      : post_(std::move(post)), clock_(clock), node_(std::move(node)) {}

  void OnReconciled(const ReconcileReport& report) override;
  void OnDeleted(absl::string_view dynakube) override;

 private:
  bool IsNewsWorthy(const ReconcileReport& report);
  void Post(const ReconcileReport& report, EventType type, const char* reason,
            const std::string& what);

  const std::function<void(KubeEvent)> post_;
  const Clock& clock_;
  const std::string node_;

  Mutex mu_;
  // What each DynaKube waited for last.
  std::map<std::string, std::string> waits_ ABSL_GUARDED_BY(mu_);
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_EVENT_OBSERVER_H_
