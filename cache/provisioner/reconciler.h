// Brings one DynaKube to what it asks for: its agent and configuration layer
// on the node, its record and row saying so. Synchronous; the scheduler calls
// it on several threads, for different DynaKubes at a time.
//
// Whatever fails leaves what new pods get as it is and says why in the
// tenant's state and reason: `waiting` for what may come by itself (an object,
// a field, the operator: FailedPrecondition; the end of a tenant's throttling),
// `failed` for everything else. What was put right on the way (an odd property,
// a token that was refused beside one that was not) is the reason of a `ready`
// one. One thing does not stop the
// very first installation: without the tenant's process configuration the
// agent is installed with what the node knows, in state `failed` (or `waiting`)
// and with a reason that says so, so that pods are not kept waiting for it.
#ifndef CACHE_PROVISIONER_RECONCILER_H_
#define CACHE_PROVISIONER_RECONCILER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "cache/kube/desired_state.h"
#include "cache/provisioner/agent_installer.h"
#include "cache/provisioner/commit_gate.h"
#include "cache/provisioner/observer.h"
#include "cache/provisioner/tenant_book.h"
#include "cache/provisioner/tenant_inquiry.h"
#include "cache/provisioner/tenant_task.h"
#include "cache/source/deployment_api.h"
#include "cache/store/store.h"

namespace oneagent {

class TenantReconciler {
 public:
  struct Parts {  // all borrowed, must outlive the reconciler
    Store& store;
    Index& index;
    DeploymentApi& api;
    TenantBook& book;
    CommitGate& gate;
    const Clock& clock;
    CacheObserver& observer;
    // A Retry-After counts for no longer.
    absl::Duration longest_pause = absl::Hours(1);
  };
  explicit TenantReconciler(const Parts& parts);

  // Never fails as a whole: how it ended is in the report, which the observer
  // gets, too. `is_outdated` (may be empty) ends it within a second: then it
  // leaves everything as it was.
  ReconcileReport Reconcile(const TenantTask& task,
                            const std::function<bool()>& is_outdated = {});

 private:
  // What is found out on the way, for the row and for hiding secrets.
  struct Attempt {
    DesiredTenant desired;
    TenantFacts facts;
    bool installed = false;
  };

  absl::Status Run(const std::function<bool()>& is_outdated, Attempt& attempt,
                   TenantRow& row);
  absl::Status RunWithoutAgent(const std::function<bool()>& is_outdated,
                               Attempt& attempt, TenantRow& row);
  absl::StatusOr<std::unique_ptr<AgentInstaller::Flight>> DownloadIfMissing(
      const TenantAccess& access, const AgentIdentity& identity,
      const Attempt& attempt, const TenantRow& row);
  absl::StatusOr<AgentRow> EnsureAgent(
      const AgentIdentity& identity,
      const std::unique_ptr<AgentInstaller::Flight>& flight, Attempt& attempt);
  absl::StatusOr<ConfigRow> InstallConfig(const Attempt& attempt,
                                          const std::string& agent_id);
  absl::Status Switch(const Attempt& attempt, const std::string& agent_id,
                      const std::string& config_id, TenantRow& row);
  absl::Status Announce(const Attempt& attempt, TenantRow row);
  absl::Duration PauseOf(const absl::Status& outcome) const;
  ReconcileReport GiveUp(const TenantTask& task, const absl::Status& why);
  absl::StatusOr<TenantRow> RowBefore(const TenantTask& task);
  absl::Status Conclude(const absl::Status& outcome, absl::Duration pause,
                        const Attempt& attempt, TenantRow& row);
  std::string ReasonOf(const absl::Status& outcome, absl::Duration pause,
                       const Attempt& attempt) const;

  const Parts parts_;
  TenantInquiry inquiry_;
  AgentInstaller installer_;
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_RECONCILER_H_
