// Brings agents to the node: once each, whoever wants them. Downloads need no
// lock and may take minutes; at most `kMostAtOnce` run at a time, of those that
// move: one that is slower than kMovingBytes counts no more, and gives way when
// somebody else wants that agent. Thread-safe.
//
//   if (auto row = installer.FindInstalled(identity); row.ok() && *row) …
//   auto flight = installer.Download(access, identity);  // Aborted: not now
//   CommitGate::Commit commit(gate);
//   auto row = installer.Commit(*flight);
#ifndef CACHE_PROVISIONER_AGENT_INSTALLER_H_
#define CACHE_PROVISIONER_AGENT_INSTALLER_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
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
  // A download moves while each kMovingTime brings kMovingBytes.
  static constexpr int64_t kMovingBytes = 1 << 20;
  static constexpr absl::Duration kMovingTime = absl::Seconds(5);

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

  // Null when the agent has been installed meanwhile. Failpoint "flight:begun"
  // stands before the flight begins.
  // Errors: Aborted while the same agent, or kMostAtOnce others, are being
  // installed; Unavailable when it was slow and gave way; else as
  // DeploymentApi::DownloadAgent.
  absl::StatusOr<std::unique_ptr<Flight>> Download(
      const TenantAccess& access, const Platform& platform,
      const AgentIdentity& identity);

  // As Store::InstallAgent.
  absl::StatusOr<AgentRow> Commit(const Flight& flight);

 private:
  struct Progress {
    int64_t bytes = 0;  // at `since`
    std::chrono::steady_clock::time_point since =
        std::chrono::steady_clock::now();
    bool is_whole = false;   // nothing is waited for any more
    bool is_wanted = false;  // by somebody else, while it is slow

    bool IsSlow() const;
  };

  bool Begin(const std::string& id);
  void Move(const std::string& id, int64_t bytes);
  void Land(const std::string& id);
  bool HasToGiveWay(const std::string& id);
  void End(const std::string& id);
  absl::StatusOr<FetchResult> Fetch(const TenantAccess& access,
                                    const Platform& platform,
                                    const AgentIdentity& identity,
                                    const std::string& part);

  Store& store_;
  Index& index_;
  DeploymentApi& api_;
  CacheObserver& observer_;

  Mutex mu_;
  // By the agent's id.
  std::map<std::string, Progress> in_flight_ ABSL_GUARDED_BY(mu_);
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_AGENT_INSTALLER_H_
