// Brings one DynaKube to what it asks for: its agent and configuration layer
// on the node, its record and row saying so. Synchronous; the scheduler calls
// it on several threads, for different DynaKubes at a time.
//
// Whatever fails leaves what new pods get as it is and says why in the
// tenant's state and reason: FailedPrecondition is `waiting` (for an object, a
// field, the operator), everything else `failed`. One thing does not stop the
// very first installation: without the tenant's process configuration the
// agent is installed with what the node knows, in state `failed` (or `waiting`)
// and with a reason that says so, so that pods are not kept waiting for it.
#ifndef CACHE_PROVISIONER_RECONCILER_H_
#define CACHE_PROVISIONER_RECONCILER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "cache/kube/desired_state.h"
#include "cache/provisioner/agent_installer.h"
#include "cache/provisioner/commit_gate.h"
#include "cache/provisioner/observer.h"
#include "cache/provisioner/tenant_book.h"
#include "cache/source/deployment_api.h"
#include "cache/store/store.h"

namespace oneagent {

// One DynaKube as it was last listed.
struct TenantTask {
  std::string dynakube;
  std::string namespace_name;  // empty: not known, keep what is known
  DynaKubeIdentity identity = {};
  int32_t max_attempts = 0;
  absl::StatusOr<DesiredTenant> desired;  // or why it cannot be said

  bool operator==(const TenantTask&) const = default;
};

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
  };
  explicit TenantReconciler(const Parts& parts);

  // Never fails as a whole: how it ended is in the report, which the observer
  // gets, too.
  ReconcileReport Reconcile(const TenantTask& task);

 private:
  // What is found out on the way, for the row and for hiding secrets.
  struct Attempt {
    DesiredTenant desired;
    ConnectionDetails tenant;
    std::string version;
    std::vector<ConfProperty> properties;
    // Why the process configuration is missing from the properties.
    absl::Status incomplete;
    bool installed = false;
  };
  struct KnownConfig {
    TenantAccess access;  // whose configuration it is
    ProcessConfig config;
  };

  absl::Status Run(Attempt& attempt, TenantRow& row);
  absl::Status FindOut(const TenantAccess& access, bool is_first,
                       Attempt& attempt);
  absl::Status RunWithoutAgent(Attempt& attempt, TenantRow& row);
  absl::StatusOr<ConnectionDetails> WhoIsTheTenant(const DesiredTenant& desired,
                                                   const TenantAccess& access);
  absl::StatusOr<std::vector<ConfProperty>> ProcessProperties(
      const DesiredTenant& desired, const TenantAccess& access);
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
  ReconcileReport GiveUp(const TenantTask& task, const absl::Status& why);
  absl::StatusOr<TenantRow> RowBefore(const TenantTask& task);
  absl::Status Conclude(const absl::Status& outcome, const Attempt& attempt,
                        TenantRow& row);

  const Parts parts_;
  AgentInstaller installer_;

  Mutex mu_;
  std::map<std::string, KnownConfig> configs_ ABSL_GUARDED_BY(mu_);
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_RECONCILER_H_
