#include "cache/provisioner/agent_installer.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/failpoint.h"
#include "base/status_macros.h"
#include "cache/index/records.h"

namespace oneagent {
namespace {

// What a download holds of a full disk is what pods and records need there.
absl::Status GiveWay(const absl::Status& failure, const std::string& part) {
  if (absl::IsResourceExhausted(failure)) {
    RemoveFileIfPresent(part).IgnoreError();
  }
  return failure;
}

}  // namespace

AgentSource ChooseSource(const DesiredTenant& desired) {
  // A version says more than an image that nothing here can read.
  if (!desired.version.empty() || desired.image.empty()) {
    return AgentSource::kZip;
  }
  return AgentSource::kImage;
}

AgentInstaller::Flight::Flight(AgentInstaller& installer,
                               AgentIdentity identity)
    : installer_(installer), identity_(std::move(identity)) {}

AgentInstaller::Flight::~Flight() { installer_.End(AgentId(identity_)); }

absl::StatusOr<std::optional<AgentRow>> AgentInstaller::FindInstalled(
    const AgentIdentity& identity) {
  const std::string id = AgentId(identity);
  const Layout& layout = store_.layout();
  ASSIGN_OR_RETURN(std::optional<AgentRow> row, index_.GetAgent(id));
  ASSIGN_OR_RETURN(const bool has_tree, PathExists(layout.AgentTree(id)));
  ASSIGN_OR_RETURN(const bool has_manifest,
                   PathExists(layout.AgentManifest(id)));
  if (!has_tree || !has_manifest) {
    if (row.has_value() && row->state == TreeState::kReady) {
      RETURN_IF_ERROR(index_.SetAgentState(id, TreeState::kMissing));
    }
    return std::optional<AgentRow>();
  }
  // A process that died between commit and clean-up leaves its archive.
  RETURN_IF_ERROR(RemoveFileIfPresent(layout.StagingPart(id)));
  if (row.has_value() && row->state == TreeState::kReady) return row;
  const absl::StatusOr<AgentRow> record = ReadAgentRecord(layout, id);
  // A manifest that cannot be read is as good as none: installed anew.
  if (!record.ok()) return std::optional<AgentRow>();
  RETURN_IF_ERROR(index_.PutAgent(*record));
  return index_.GetAgent(id);
}

absl::StatusOr<std::unique_ptr<AgentInstaller::Flight>>
AgentInstaller::Download(const TenantAccess& access, const Platform& platform,
                         const AgentIdentity& identity) {
  const std::string id = AgentId(identity);
  Failpoint("download:0");
  if (!Begin(id)) {
    return absl::AbortedError(absl::StrCat("agent ", identity.version,
                                           ": waits for another download"));
  }
  auto flight = std::make_unique<Flight>(*this, identity);
  // Who flew before may have landed since the caller looked.
  ASSIGN_OR_RETURN(const std::optional<AgentRow> installed,
                   FindInstalled(identity));
  if (installed.has_value()) return std::unique_ptr<Flight>();
  const std::string part = store_.layout().StagingPart(id);
  const auto begin = std::chrono::steady_clock::now();
  const absl::StatusOr<FetchResult> fetched =
      api_.DownloadAgent(access, platform, identity.version, part,
                         [&](int64_t done, int64_t total) {
                           observer_.OnProgress(TransferPhase::kDownload,
                                                identity.version, done, total);
                         });
  observer_.OnDownloaded(
      {.status = fetched.status(),
       .bytes = fetched.ok() ? fetched->bytes : 0,
       .duration = absl::FromChrono(std::chrono::steady_clock::now() - begin)});
  if (!fetched.ok()) return GiveWay(fetched.status(), part);
  flight->archive_ = {
      .path = part,
      .source = DeploymentApi::AgentUrl(access, identity.version),
      .sha256 = fetched->sha256};
  return flight;
}

absl::StatusOr<AgentRow> AgentInstaller::Commit(const Flight& flight) {
  absl::StatusOr<AgentRow> installed = store_.InstallAgent(
      flight.identity_, flight.archive_, [&](int64_t done, int64_t total) {
        observer_.OnProgress(TransferPhase::kUnpack, flight.identity_.version,
                             done, total);
      });
  if (installed.ok()) return installed;
  return GiveWay(installed.status(), flight.archive_.path);
}

bool AgentInstaller::Begin(const std::string& id) {
  MutexLock lock(mu_);
  return in_flight_.size() < kMostAtOnce && in_flight_.insert(id).second;
}

void AgentInstaller::End(const std::string& id) {
  MutexLock lock(mu_);
  in_flight_.erase(id);
}

}  // namespace oneagent
