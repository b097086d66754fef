// Sequence "reconcile". Dying after a step leaves:
//  1 tenant, version and configuration asked for: nothing. A download goes on
//    where it stopped.
//  2 agent committed ("install" in store.cc): an agent that no tenant has yet;
//    the next run finds it and downloads nothing.
//  3 configuration layer committed: a layer that no tenant has yet; likewise.
//  4 record and row written (sequence "book" in tenant_book.cc), the row
//    last: the switch. New pods get the new agent and configuration.
#include "cache/provisioner/reconciler.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "base/failpoint.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "cache/http/url.h"
#include "cache/provisioner/tenant_conf.h"
#include "cache/source/throttle.h"

namespace oneagent {
namespace {

TenantAccess AccessOf(const DesiredTenant& desired,
                      const std::function<bool()>& is_outdated) {
  return {.api_url = desired.api_url,
          .token = desired.api_token,
          .network_zone = desired.network_zone,
          .host_group = desired.host_group,
          .connection = {.proxy = desired.proxy,
                         .no_proxy = desired.no_proxy,
                         .trusted_cas = desired.trusted_cas,
                         .skip_cert_check = desired.skip_cert_check},
          .cancelled = is_outdated};
}

// Whoever gets it tries again at once.
absl::Status ComesAgain(const std::string& version) {
  return absl::AbortedError(
      absl::StrCat("agent ", version, ": was collected just now, comes again"));
}

}  // namespace

TenantReconciler::TenantReconciler(const Parts& parts)
    : parts_(parts),
      inquiry_(parts.api),
      installer_(parts.store, parts.index, parts.api, parts.observer) {}

ReconcileReport TenantReconciler::Reconcile(
    const TenantTask& task, const std::function<bool()>& is_outdated) {
  const absl::Time start = parts_.clock.Now();
  Attempt attempt;
  absl::StatusOr<TenantRow> before = RowBefore(task);
  if (!before.ok()) return GiveUp(task, before.status());
  TenantRow row = *std::move(before);
  const std::string agent_before = row.agent_id;
  absl::Status outcome = task.desired.status();
  if (outcome.ok()) {
    attempt.desired = *task.desired;
    outcome = attempt.desired.needs_agent
                  ? Run(is_outdated, attempt, row)
                  : RunWithoutAgent(is_outdated, attempt, row);
  }
  ReconcileReport report;
  report.pending = absl::IsAborted(outcome);
  report.outdated = absl::IsCancelled(outcome) && is_outdated && is_outdated();
  report.cancelled = absl::IsCancelled(outcome) && !report.outdated;
  report.installed = attempt.installed;
  report.dynakube = task.identity;
  report.pause = PauseOf(outcome);
  const absl::Status written = Conclude(outcome, report.pause, attempt, row);
  if (!written.ok()) {
    row.state = TenantState::kFailed;
    row.reason = std::string(written.message());
  }
  report.switched = !row.agent_id.empty() && row.agent_id != agent_before;
  report.code = written.ok() ? outcome.code() : written.code();
  report.row = std::move(row);
  report.duration = parts_.clock.Now() - start;
  parts_.observer.OnReconciled(report);
  return report;
}

// As long as the tenant says, with jitter: the nodes of a cluster were told at
// the same moment.
absl::Duration TenantReconciler::PauseOf(const absl::Status& outcome) const {
  const std::optional<absl::Duration> asked = ThrottleOf(outcome);
  if (!asked.has_value()) return absl::ZeroDuration();
  absl::BitGen random;
  return std::min(*asked, parts_.longest_pause) *
         absl::Uniform(random, 1.0, 1.1);
}

// Without what there was before nothing is written: what pods get would be
// replaced by what this reconcile, which may fail, knows of it.
ReconcileReport TenantReconciler::GiveUp(const TenantTask& task,
                                         const absl::Status& why) {
  ReconcileReport report;
  report.dynakube = task.identity;
  report.row.dynakube = task.dynakube;
  report.row.namespace_name = task.namespace_name;
  report.row.state = TenantState::kFailed;
  report.row.reason = std::string(why.message());
  report.code = why.code();
  parts_.observer.OnReconciled(report);
  return report;
}

absl::StatusOr<TenantRow> TenantReconciler::RowBefore(const TenantTask& task) {
  ASSIGN_OR_RETURN(const std::optional<TenantRow> found,
                   parts_.book.Find(task.dynakube));
  TenantRow row = found.value_or(TenantRow());
  row.dynakube = task.dynakube;
  if (!task.namespace_name.empty()) {
    row.namespace_name = task.namespace_name;
    row.max_attempts = task.max_attempts;
  }
  row.deleted_at = absl::InfinitePast();
  if (!found.has_value() && task.desired.ok()) {
    // A tenant that is silent is seen to be waited for.
    row.reason =
        absl::StrCat("connecting to ", RedactedUrl(task.desired->api_url));
    row.updated_at = parts_.clock.Now();
    RETURN_IF_ERROR(parts_.book.Write(row));
  }
  return row;
}

// Writes how it ended. What the row has of agent and config is by now either
// new or as it was.
absl::Status TenantReconciler::Conclude(const absl::Status& outcome,
                                        absl::Duration pause,
                                        const Attempt& attempt,
                                        TenantRow& row) {
  if (absl::IsCancelled(outcome)) return absl::OkStatus();
  const TenantState before = row.state;
  const bool waits = absl::IsFailedPrecondition(outcome) ||
                     absl::IsAborted(outcome) ||
                     ThrottleOf(outcome).has_value();
  row.state = outcome.ok() ? TenantState::kReady
              : waits      ? TenantState::kWaiting
                           : TenantState::kFailed;
  // While it stays as it is, how long it has been so counts, not the words.
  if (row.state != before || outcome.ok()) row.updated_at = parts_.clock.Now();
  row.reason = WithoutSecrets(ReasonOf(outcome, pause, attempt),
                              attempt.desired, attempt.facts.tenant);
  if (!attempt.facts.version.empty()) row.version = attempt.facts.version;
  absl::Status written = parts_.book.Write(row);
  if (written.code() != absl::StatusCode::kFailedPrecondition || outcome.ok()) {
    return written;
  }
  // What it had before is gone from the node: nothing can be kept.
  row.agent_id.clear();
  row.config_id.clear();
  return parts_.book.Write(row);
}

std::string TenantReconciler::ReasonOf(const absl::Status& outcome,
                                       absl::Duration pause,
                                       const Attempt& attempt) const {
  if (outcome.ok()) {
    std::vector<std::string> remarks = attempt.desired.remarks;
    remarks.insert(remarks.end(), attempt.facts.remarks.begin(),
                   attempt.facts.remarks.end());
    return absl::StrJoin(remarks, "; ");
  }
  if (!ThrottleOf(outcome).has_value()) return std::string(outcome.message());
  const std::string until = absl::FormatTime(
      "%Y-%m-%dT%H:%M:%SZ", parts_.clock.Now() + pause, absl::UTCTimeZone());
  return absl::StrCat("throttled until ", until, ": ", outcome.message());
}

absl::Status TenantReconciler::RunWithoutAgent(
    const std::function<bool()>& is_outdated, Attempt& attempt,
    TenantRow& row) {
  const DesiredTenant& desired = attempt.desired;
  row.agent_id.clear();
  row.config_id.clear();
  row.version.clear();
  row.tenant_uuid = desired.tenant_uuid;
  if (!desired.tenant_uuid.empty() || desired.api_token.empty()) {
    return absl::OkStatus();
  }
  // Storage for mode=host belongs to a tenant, not to a name.
  ASSIGN_OR_RETURN(const std::optional<ConnectionDetails> details,
                   parts_.api.ConnectionInfo(AccessOf(desired, is_outdated)));
  if (details.has_value()) row.tenant_uuid = details->tenant_uuid;
  return absl::OkStatus();
}

absl::Status TenantReconciler::Run(const std::function<bool()>& is_outdated,
                                   Attempt& attempt, TenantRow& row) {
  const DesiredTenant& desired = attempt.desired;
  switch (ChooseSource(desired)) {
    case AgentSource::kImage:
      return absl::UnimplementedError(absl::StrCat(
          "codeModulesImage ", desired.image, ": is not supported yet"));
    case AgentSource::kZip:
      break;
  }
  TenantAccess access = AccessOf(desired, is_outdated);
  RETURN_IF_ERROR(inquiry_.FindOut(desired,
                                   /*is_first=*/row.config_id.empty(), access,
                                   attempt.facts));
  Failpoint("reconcile:1");

  const Platform platform = ThisPlatform();
  const AgentIdentity identity = {.kind = "zip",
                                  .version = attempt.facts.version,
                                  .arch = platform.arch,
                                  .flavor = platform.flavor};
  ASSIGN_OR_RETURN(const std::unique_ptr<AgentInstaller::Flight> flight,
                   DownloadIfMissing(access, identity, attempt, row));

  // From here to the row, nothing may be collected.
  const CommitGate::Commit commit(parts_.gate);
  ASSIGN_OR_RETURN(const AgentRow agent,
                   EnsureAgent(identity, flight, attempt));
  Failpoint("reconcile:2");
  ASSIGN_OR_RETURN(const ConfigRow config, InstallConfig(attempt, agent.id));
  Failpoint("reconcile:3");
  RETURN_IF_ERROR(Switch(attempt, agent.id, config.id, row));
  Failpoint("reconcile:4");
  return attempt.facts.incomplete;
}

// Null when the agent is on the node.
absl::StatusOr<std::unique_ptr<AgentInstaller::Flight>>
TenantReconciler::DownloadIfMissing(const TenantAccess& access,
                                    const AgentIdentity& identity,
                                    const Attempt& attempt,
                                    const TenantRow& row) {
  ASSIGN_OR_RETURN(const std::optional<AgentRow> installed,
                   installer_.FindInstalled(identity));
  if (installed.has_value()) return nullptr;
  RETURN_IF_ERROR(Announce(attempt, row));
  return installer_.Download(access, ThisPlatform(), identity);
}

absl::StatusOr<AgentRow> TenantReconciler::EnsureAgent(
    const AgentIdentity& identity,
    const std::unique_ptr<AgentInstaller::Flight>& flight, Attempt& attempt) {
  if (flight != nullptr) {
    absl::StatusOr<AgentRow> committed = installer_.Commit(*flight);
    attempt.installed = committed.ok();
    return committed;
  }
  ASSIGN_OR_RETURN(std::optional<AgentRow> row,
                   installer_.FindInstalled(identity));
  if (row.has_value()) return *std::move(row);
  return ComesAgain(identity.version);
}

absl::StatusOr<ConfigRow> TenantReconciler::InstallConfig(
    const Attempt& attempt, const std::string& agent_id) {
  absl::StatusOr<std::string> own =
      parts_.store.ReadAgentFile(agent_id, kProcessConfPath, kMaxProcessConf);
  if (absl::IsNotFound(own.status())) own = std::string();
  if (!own.ok()) return own.status();
  ASSIGN_OR_RETURN(std::string merged,
                   MergeProcessConf(*own, attempt.facts.properties));
  return parts_.store.InstallConfig(attempt.desired.dynakube,
                                    {{kProcessConfPath, std::move(merged)}});
}

// From here on, new pods get the new agent and configuration.
absl::Status TenantReconciler::Switch(const Attempt& attempt,
                                      const std::string& agent_id,
                                      const std::string& config_id,
                                      TenantRow& row) {
  TenantRow ready = row;
  ready.tenant_uuid = attempt.facts.tenant.tenant_uuid;
  ready.agent_id = agent_id;
  ready.config_id = config_id;
  ready.version = attempt.facts.version;
  ready.state = TenantState::kReady;
  ready.reason.clear();
  ready.updated_at = parts_.clock.Now();
  const absl::Status written = parts_.book.Write(ready);
  // By another process, or with an index that was lost meanwhile.
  if (absl::IsFailedPrecondition(written))
    return ComesAgain(attempt.facts.version);
  RETURN_IF_ERROR(written);
  row = std::move(ready);
  return absl::OkStatus();
}

// A download takes its time: says so before it begins.
absl::Status TenantReconciler::Announce(const Attempt& attempt, TenantRow row) {
  row.tenant_uuid = attempt.facts.tenant.tenant_uuid;
  row.version = attempt.facts.version;
  row.state = TenantState::kWaiting;
  row.reason =
      absl::StrCat("agent ", attempt.facts.version, ": being installed");
  row.updated_at = parts_.clock.Now();
  const absl::Status written = parts_.book.Write(row);
  // The row's old agent is gone: Conclude copes with it.
  return absl::IsFailedPrecondition(written) ? absl::OkStatus() : written;
}

}  // namespace oneagent
