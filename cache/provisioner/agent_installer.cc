#include "cache/provisioner/agent_installer.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
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
  Failpoint("flight:begun");
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
  const absl::StatusOr<FetchResult> fetched =
      Fetch(access, platform, identity, part);
  if (!fetched.ok()) return GiveWay(fetched.status(), part);
  flight->archive_ = {
      .path = part,
      .source = DeploymentApi::AgentUrl(access, identity.version),
      .sha256 = fetched->sha256};
  return flight;
}

absl::StatusOr<FetchResult> AgentInstaller::Fetch(const TenantAccess& access,
                                                  const Platform& platform,
                                                  const AgentIdentity& identity,
                                                  const std::string& part) {
  const std::string id = AgentId(identity);
  TenantAccess yielding = access;
  yielding.cancelled = [&] {
    return HasToGiveWay(id) || (access.cancelled && access.cancelled());
  };
  const auto begin = std::chrono::steady_clock::now();
  absl::StatusOr<FetchResult> fetched =
      api_.DownloadAgent(yielding, platform, identity.version, part,
                         [&](int64_t done, int64_t total) {
                           Move(id, done);
                           observer_.OnProgress(TransferPhase::kDownload,
                                                identity.version, done, total);
                         });
  if (absl::IsCancelled(fetched.status()) && HasToGiveWay(id)) {
    fetched = absl::UnavailableError(
        absl::StrCat("download agent ", identity.version,
                     ": too slow, left to another DynaKube"));
  }
  Land(id);
  observer_.OnDownloaded(
      {.status = fetched.status(),
       .bytes = fetched.ok() ? fetched->bytes : 0,
       .duration = absl::FromChrono(std::chrono::steady_clock::now() - begin)});
  return fetched;
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

bool AgentInstaller::Progress::IsSlow() const {
  const auto now = std::chrono::steady_clock::now();
  return !is_whole && absl::FromChrono(now - since) > kMovingTime;
}

bool AgentInstaller::Begin(const std::string& id) {
  MutexLock lock(mu_);
  const auto same = in_flight_.find(id);
  if (same != in_flight_.end()) {
    same->second.is_wanted = same->second.IsSlow();
    return false;
  }
  const auto moving =
      std::count_if(in_flight_.begin(), in_flight_.end(),
                    [](const auto& flight) { return !flight.second.IsSlow(); });
  if (static_cast<size_t>(moving) >= kMostAtOnce) return false;
  return in_flight_.try_emplace(id).second;
}

void AgentInstaller::Move(const std::string& id, int64_t bytes) {
  MutexLock lock(mu_);
  Progress& progress = in_flight_.at(id);
  // Also when it began anew.
  if (std::abs(bytes - progress.bytes) < kMovingBytes) return;
  progress = {.bytes = bytes};
}

void AgentInstaller::Land(const std::string& id) {
  MutexLock lock(mu_);
  in_flight_.at(id).is_whole = true;
}

bool AgentInstaller::HasToGiveWay(const std::string& id) {
  MutexLock lock(mu_);
  return in_flight_.at(id).is_wanted;
}

void AgentInstaller::End(const std::string& id) {
  MutexLock lock(mu_);
  in_flight_.erase(id);
}

}  // namespace oneagent
