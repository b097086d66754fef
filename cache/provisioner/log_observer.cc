#include "cache/provisioner/log_observer.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/duration.h"

namespace oneagent {
namespace {

std::string Milliseconds(absl::Duration duration) {
  return FormatGoDuration(
      absl::Milliseconds(absl::ToInt64Milliseconds(duration)));
}

// What tells one volume from the others, in both daemons' logs.
LogFields OriginOf(const VolumeRow& volume) {
  return {{"volume", volume.id},
          {"pod", volume.pod},
          {"namespace", volume.namespace_name},
          {"dynakube", volume.dynakube},
          {"failures", absl::StrCat(volume.attempts)}};
}

}  // namespace

void LogObserver::OnReconciled(const ReconcileReport& report) {
  bar_.Clear();
  const TenantRow& row = report.row;
  LogFields fields = {{"dynakube", row.dynakube},
                      {"namespace", row.namespace_name},
                      {"tenant", row.tenant_uuid},
                      {"version", row.version},
                      {"agent", row.agent_id},
                      {"duration", Milliseconds(report.duration)},
                      {"state", Name(row.state)},
                      {"code", absl::StatusCodeToString(report.code)}};
  if (report.installed) fields.push_back({"installed", "true"});
  if (!row.reason.empty()) fields.push_back({"cause", row.reason});
  if (report.outdated) {
    reconcile_.Info("reconcile begins anew", fields);
  } else if (report.cancelled) {
    reconcile_.Info("reconcile ended by shutdown", fields);
  } else if (row.state == TenantState::kReady || report.pending) {
    reconcile_.Info("reconciled", fields);
  } else {
    reconcile_.Warning("reconciled", fields);
  }
  MutexLock lock(mu_);
  transfers_.erase(row.version);
}

void LogObserver::OnDeleted(absl::string_view dynakube) {
  bar_.Clear();
  source_.Info("DynaKube is gone", {{"dynakube", std::string(dynakube)}});
}

void LogObserver::OnProblem(const SourceProblem& problem) {
  bar_.Clear();
  LogFields fields = {{"object", problem.object}, {"cause", problem.cause}};
  if (!problem.dynakube.empty()) {
    fields.push_back({"dynakube", problem.dynakube});
  }
  source_.Warning("left out", fields);
}

void LogObserver::OnCollected(const CollectionResult& result) {
  {
    MutexLock lock(mu_);
    const bool is_new = result.skipped != last_skipped_;
    last_skipped_ = result.skipped;
    if (!result.skipped.empty() && is_new) {
      bar_.Clear();
      collect_.Info("nothing collected", {{"cause", result.skipped}});
    }
  }
  if (result.agents.empty() && result.configs.empty() &&
      result.tenants.empty() && result.bytes == 0) {
    return;
  }
  bar_.Clear();
  collect_.Info("collected", {{"agents", absl::StrJoin(result.agents, ",")},
                              {"configs", absl::StrJoin(result.configs, ",")},
                              {"tenants", absl::StrJoin(result.tenants, ",")},
                              {"bytes", absl::StrCat(result.bytes)}});
}

void LogObserver::OnNotice(const NoticeRow& notice) {
  bar_.Clear();
  volumes_.Warning("volume was published without an agent",
                   {{"volume", notice.volume_id},
                    {"pod", notice.pod},
                    {"namespace", notice.namespace_name},
                    {"dynakube", notice.dynakube},
                    {"cause", notice.reason}});
}

void LogObserver::OnVolumeWaits(const VolumeRow& volume,
                                const TenantRow* tenant) {
  bar_.Clear();
  LogFields fields = OriginOf(volume);
  fields.push_back({"cause", volume.reason});
  if (tenant != nullptr) {
    fields.push_back({"state", Name(tenant->state)});
    fields.push_back({"version", tenant->version});
    if (!tenant->reason.empty()) {
      fields.push_back({"dynakube_cause", tenant->reason});
    }
  }
  volumes_.Warning("volume waits", fields);
}

void LogObserver::OnVolumeCanGo(const VolumeRow& volume,
                                const TenantRow& tenant) {
  bar_.Clear();
  LogFields fields = OriginOf(volume);
  fields.push_back({"agent", tenant.agent_id});
  fields.push_back({"version", tenant.version});
  volumes_.Info("volume can be published", fields);
}

void LogObserver::OnError(Chore chore, absl::string_view about,
                          const absl::Status& status) {
  bar_.Clear();
  LogFields fields = {{"error", std::string(status.message())}};
  if (!about.empty()) {
    fields.push_back({chore == Chore::kSendEvents ? "namespace" : "dynakube",
                      std::string(about)});
  }
  switch (chore) {
    case Chore::kListDynaKubes:
      return source_.Error("DynaKubes cannot be listed", fields);
    case Chore::kWatchDynaKubes:
      return source_.Warning("DynaKubes are read in a lesser way", fields);
    case Chore::kForgetDynaKube:
      return source_.Error("DynaKube cannot be forgotten", fields);
    case Chore::kLookAtIndex:
      return index_.Error("index cannot be used", fields);
    case Chore::kFindLostRows:
      return index_.Error("index cannot be compared with the disk", fields);
    case Chore::kRecover:
      return index_.Error("recovery failed", fields);
    case Chore::kDeliverNotices:
      return volumes_.Error("notices cannot be delivered", fields);
    case Chore::kFollowVolumes:
      return volumes_.Error("waiting volumes cannot be read", fields);
    case Chore::kCollect:
      return collect_.Error("collection failed", fields);
    case Chore::kSendEvents:
      return volumes_.Warning("Event cannot be written", fields);
    case Chore::kRemoveTaint:
      return source_.Error("startup taint cannot be removed", fields);
  }
}

void LogObserver::OnIndexRebuilt(absl::string_view set_aside,
                                 absl::string_view cause) {
  bar_.Clear();
  index_.Warning("index rebuilt", {{"cause", std::string(cause)},
                                   {"set_aside", std::string(set_aside)}});
}

void LogObserver::OnProgress(TransferPhase phase, absl::string_view version,
                             int64_t done, int64_t total) {
  bool is_new = false;
  {
    MutexLock lock(mu_);
    const auto [at, added] = transfers_.emplace(std::string(version), phase);
    is_new = added || at->second != phase;
    at->second = phase;
  }
  const bool is_download = phase == TransferPhase::kDownload;
  if (is_new) {
    bar_.Clear();
    const LogFields fields = {{"version", std::string(version)},
                              {"bytes", absl::StrCat(total)}};
    if (is_download) {
      download_.Info("downloading an agent", fields);
    } else {
      download_.Info("unpacking an agent", fields);
    }
  }
  bar_.Show(absl::StrCat(is_download ? "download" : "unpack", " ", version),
            done, total);
}

}  // namespace oneagent
