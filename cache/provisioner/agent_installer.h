// Brings agents to the node: once each, whoever wants them. Downloads need no
// lock and may take minutes; at most `kMostAtOnce` run at a time. Thread-safe.
//
//   if (auto row = installer.FindInstalled(identity); row.ok() && *row) …
//   auto flight = installer.Download(access, identity);  // Aborted: not now
//   CommitGate::Commit commit(gate);
//   auto row = installer.Commit(*flight);
#ifndef CACHE_PROVISIONER_AGENT_INSTALLER_H_
#define CACHE_PROVISIONER_AGENT_INSTALLER_H_

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "cache/index/index.h"
#include "cache/kube/desired_state.h"
#include "cache/provisioner/observer.h"
#include "cache/source/deployment_api.h"
#include "cache/store/store.h"

namespace oneagent {

// Where the agent of a DynaKube comes from. The seam for image registries: a
// new kind of source is a case here and a download below.
enum class AgentSource {
  kZip,    // the tenant's deployment API
  kImage,  // codeModulesImage; nothing serves it yet
};
AgentSource ChooseSource(const DesiredTenant& desired);

class AgentInstaller {
 public:
  static constexpr size_t kMostAtOnce = 2;

  // A download that is complete, and the right to commit it: nobody else
  // installs this agent while it lives.
  class Flight {
   public:
    Flight(AgentInstaller& installer, AgentIdentity identity);
    ~Flight();
    Flight(const Flight&) = delete;
    Flight& operator=(const Flight&) = delete;

   private:
    friend class AgentInstaller;
    AgentInstaller& installer_;
    const AgentIdentity identity_;
    StagedArchive archive_;
  };

  // All are borrowed and must outlive the installer.
  AgentInstaller(Store& store, Index& index, DeploymentApi& api,
                 CacheObserver& observer)
      : store_(store), index_(index), api_(api), observer_(observer) {}

  // The agent's row if manifest and tree are on disk. A row that is gone comes
  // back; a row without a tree becomes `missing`. Unavailable: the index.
  absl::StatusOr<std::optional<AgentRow>> FindInstalled(
      const AgentIdentity& identity);

  // Null when the agent has been installed meanwhile. Failpoint "download:0"
  // stands before the flight begins.
  // Errors: Aborted while the same agent, or kMostAtOnce others, are being
  // installed; else as DeploymentApi::DownloadAgent.
  absl::StatusOr<std::unique_ptr<Flight>> Download(
      const TenantAccess& access, const Platform& platform,
      const AgentIdentity& identity);

  // As Store::InstallAgent.
  absl::StatusOr<AgentRow> Commit(const Flight& flight);

 private:
  bool Begin(const std::string& id);
  void End(const std::string& id);

  Store& store_;
  Index& index_;
  DeploymentApi& api_;
  CacheObserver& observer_;

  Mutex mu_;
  std::set<std::string> in_flight_ ABSL_GUARDED_BY(mu_);  // agent ids
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_AGENT_INSTALLER_H_
