#include "cache/provisioner/event_observer.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace oneagent {

void EventObserver::OnReconciled(const ReconcileReport& report) {
  // Without its uid nobody would find an Event on it.
  if (report.dynakube.uid.empty() || report.cancelled || report.outdated) {
    return;
  }
  if (report.switched) {
    Post(report, EventType::kNormal, "AgentInstalled",
         absl::StrCat("new pods get version ", report.row.version));
  }
  if (IsNewsWorthy(report)) {
    Post(report, EventType::kWarning, "AgentInstallFailed", report.row.reason);
  }
}

void EventObserver::OnDeleted(absl::string_view dynakube) {
  MutexLock lock(mu_);
  waits_.erase(std::string(dynakube));
}

bool EventObserver::IsNewsWorthy(const ReconcileReport& report) {
  if (report.pending) return false;
  const TenantRow& row = report.row;
  MutexLock lock(mu_);
  switch (row.state) {
    case TenantState::kReady:
      waits_.erase(row.dynakube);
      return false;
    case TenantState::kFailed:
      waits_.erase(row.dynakube);
      return true;
    case TenantState::kWaiting: {
      std::string& last = waits_[row.dynakube];
      if (last == row.reason) return true;
      last = row.reason;
      return false;
    }
  }
  return false;
}

void EventObserver::Post(const ReconcileReport& report, EventType type,
                         const char* reason, const std::string& what) {
  const absl::Time now = clock_.Now();
  post_({.occurrence = absl::StrCat(node_, " ", report.dynakube.uid, " ",
                                    reason, " ", absl::ToUnixNanos(now)),
         .regarding = {.api_version = report.dynakube.api_version,
                       .kind = "DynaKube",
                       .namespace_name = report.row.namespace_name,
                       .name = report.row.dynakube,
                       .uid = report.dynakube.uid},
         .type = type,
         .reason = reason,
         .action = "Install",
         .note = absl::StrCat("node ", node_, ": ", what),
         .at = now});
}

}  // namespace oneagent
