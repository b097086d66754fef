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
  if (report.cancelled) {
    log_.Info("reconcile ended by shutdown", fields);
  } else if (row.state == TenantState::kReady || report.pending) {
    log_.Info("reconciled", fields);
  } else {
    log_.Warning("reconciled", fields);
  }
}

void LogObserver::OnDeleted(absl::string_view dynakube) {
  bar_.Clear();
  log_.Info("DynaKube is gone", {{"dynakube", std::string(dynakube)}});
}

void LogObserver::OnProblem(const SourceProblem& problem) {
  bar_.Clear();
  LogFields fields = {{"object", problem.object}, {"cause", problem.cause}};
  if (!problem.dynakube.empty()) {
    fields.push_back({"dynakube", problem.dynakube});
  }
  log_.Warning("left out", fields);
}

void LogObserver::OnCollected(const CollectionResult& result) {
  {
    MutexLock lock(mu_);
    const bool is_new = result.skipped != last_skipped_;
    last_skipped_ = result.skipped;
    if (!result.skipped.empty() && is_new) {
      bar_.Clear();
      log_.Info("nothing collected", {{"cause", result.skipped}});
    }
  }
  if (result.agents.empty() && result.configs.empty() &&
      result.tenants.empty() && result.bytes == 0) {
    return;
  }
  bar_.Clear();
  log_.Info("collected", {{"agents", absl::StrJoin(result.agents, ",")},
                          {"configs", absl::StrJoin(result.configs, ",")},
                          {"tenants", absl::StrJoin(result.tenants, ",")},
                          {"bytes", absl::StrCat(result.bytes)}});
}

void LogObserver::OnNotice(const NoticeRow& notice) {
  bar_.Clear();
  log_.Warning("volume was published without an agent",
               {{"volume", notice.volume_id},
                {"pod", notice.pod},
                {"namespace", notice.namespace_name},
                {"dynakube", notice.dynakube},
                {"cause", notice.reason}});
}

void LogObserver::OnError(absl::string_view what, const absl::Status& status) {
  bar_.Clear();
  log_.Error(what, {{"error", std::string(status.message())}});
}

void LogObserver::OnProgress(TransferPhase phase, absl::string_view version,
                             int64_t done, int64_t total) {
  const char* verb = phase == TransferPhase::kDownload ? "download" : "unpack";
  bar_.Show(absl::StrCat(verb, " ", version), done, total);
}

}  // namespace oneagent
