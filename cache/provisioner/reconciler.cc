// Sequence "reconcile". Dying after a step leaves:
//  1 tenant, version and configuration asked for: nothing. A download goes on
//    where it stopped.
//  2 agent committed ("install" in store.cc): an agent that no tenant has yet;
//    the next run finds it and downloads nothing.
//  3 configuration layer committed: a layer that no tenant has yet; likewise.
//  4 record and row written (sequence "book" in tenant_book.cc), the row
//    last: the switch. New pods get the new agent and configuration.
#include "cache/provisioner/reconciler.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "cache/provisioner/tenant_conf.h"

namespace oneagent {
namespace {

TenantAccess AccessOf(const DesiredTenant& desired) {
  return {.api_url = desired.api_url,
          .token = desired.api_token,
          .network_zone = desired.network_zone,
          .host_group = desired.host_group,
          .connection = {.proxy = desired.proxy,
                         .no_proxy = desired.no_proxy,
                         .trusted_cas = desired.trusted_cas,
                         .skip_cert_check = desired.skip_cert_check}};
}

// The same question to the same tenant: its revisions can be compared.
bool AsksTheSame(const TenantAccess& a, const TenantAccess& b) {
  return a.api_url == b.api_url && a.token == b.token &&
         a.host_group == b.host_group;
}

absl::StatusOr<std::vector<ConfProperty>> PropertiesFromSecret(
    const DesiredTenant& desired) {
  absl::StatusOr<ProcessConfig> config =
      ParseProcessConfig(desired.process_config);
  if (config.ok()) return std::move(config->properties);
  return absl::FailedPreconditionError(
      absl::StrCat("Secret ", desired.namespace_name, "/", desired.dynakube,
                   kProcessConfigSecret, ": ", kProcessConfigKey, ": ",
                   config.status().message()));
}

absl::Status CheckComplete(const ConnectionDetails& tenant) {
  const char* missing = tenant.tenant_uuid.empty()    ? "tenantUUID"
                        : tenant.tenant_token.empty() ? "tenantToken"
                        : tenant.endpoints.empty()    ? "endpoints"
                                                      : nullptr;
  if (missing == nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "tenant: neither status and tenant secret nor connectioninfo has a ",
      missing));
}

}  // namespace

TenantReconciler::TenantReconciler(const Parts& parts)
    : parts_(parts),
      installer_(parts.store, parts.index, parts.api, parts.observer) {}

ReconcileReport TenantReconciler::Reconcile(const TenantTask& task) {
  const absl::Time start = parts_.clock.Now();
  Attempt attempt;
  absl::StatusOr<TenantRow> before = RowBefore(task);
  if (!before.ok()) return GiveUp(task, before.status());
  TenantRow row = *std::move(before);
  const std::string agent_before = row.agent_id;
  absl::Status outcome = task.desired.status();
  if (outcome.ok()) {
    attempt.desired = *task.desired;
    outcome = attempt.desired.needs_agent ? Run(attempt, row)
                                          : RunWithoutAgent(attempt, row);
  }
  ReconcileReport report;
  report.pending = outcome.code() == absl::StatusCode::kAborted;
  report.cancelled = outcome.code() == absl::StatusCode::kCancelled;
  report.installed = attempt.installed;
  report.dynakube = task.identity;
  const absl::Status written = Conclude(outcome, attempt, row);
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
  return row;
}

// Writes how it ended. What the row has of agent and config is by now either
// new or as it was.
absl::Status TenantReconciler::Conclude(const absl::Status& outcome,
                                        const Attempt& attempt,
                                        TenantRow& row) {
  row.updated_at = parts_.clock.Now();
  if (outcome.code() == absl::StatusCode::kCancelled) return absl::OkStatus();
  if (outcome.ok()) {
    row.state = TenantState::kReady;
    row.reason.clear();
  } else {
    const bool waits =
        outcome.code() == absl::StatusCode::kFailedPrecondition ||
        outcome.code() == absl::StatusCode::kAborted;
    row.state = waits ? TenantState::kWaiting : TenantState::kFailed;
    row.reason = WithoutSecrets(std::string(outcome.message()), attempt.desired,
                                attempt.tenant);
  }
  if (!attempt.version.empty()) row.version = attempt.version;
  absl::Status written = parts_.book.Write(row);
  if (written.code() != absl::StatusCode::kFailedPrecondition || outcome.ok()) {
    return written;
  }
  // What it had before is gone from the node: nothing can be kept.
  row.agent_id.clear();
  row.config_id.clear();
  return parts_.book.Write(row);
}

absl::Status TenantReconciler::RunWithoutAgent(Attempt& attempt,
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
                   parts_.api.ConnectionInfo(AccessOf(desired)));
  if (details.has_value()) row.tenant_uuid = details->tenant_uuid;
  return absl::OkStatus();
}

absl::Status TenantReconciler::Run(Attempt& attempt, TenantRow& row) {
  const DesiredTenant& desired = attempt.desired;
  switch (ChooseSource(desired)) {
    case AgentSource::kImage:
      return absl::UnimplementedError(absl::StrCat(
          "codeModulesImage ", desired.image, ": is not supported yet"));
    case AgentSource::kZip:
      break;
  }
  const TenantAccess access = AccessOf(desired);
  RETURN_IF_ERROR(FindOut(access, /*is_first=*/row.config_id.empty(), attempt));
  Failpoint("reconcile:1");

  const Platform platform = ThisPlatform();
  const AgentIdentity identity = {.kind = "zip",
                                  .version = attempt.version,
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
  return attempt.incomplete;
}

// Everything that is asked for before anything is done.
absl::Status TenantReconciler::FindOut(const TenantAccess& access,
                                       bool is_first, Attempt& attempt) {
  const DesiredTenant& desired = attempt.desired;
  attempt.version = desired.version;
  ASSIGN_OR_RETURN(attempt.tenant, WhoIsTheTenant(desired, access));
  if (attempt.version.empty()) {
    ASSIGN_OR_RETURN(attempt.version,
                     parts_.api.LatestVersion(access, ThisPlatform()));
  }
  absl::StatusOr<std::vector<ConfProperty>> from_tenant =
      ProcessProperties(desired, access);
  if (!from_tenant.ok()) {
    const absl::Status& why = from_tenant.status();
    // Pods that have a configuration keep it. Those that have none do not
    // wait for what their agent can do without.
    if (!is_first || absl::IsCancelled(why)) return why;
    attempt.incomplete = absl::Status(
        why.code(), absl::StrCat(why.message(), "; installed without it"));
    from_tenant = std::vector<ConfProperty>();
  }
  ASSIGN_OR_RETURN(attempt.properties,
                   TenantProperties(desired, attempt.tenant, *from_tenant));
  return absl::OkStatus();
}

// tenantUUID from the status, never from apiUrl, which may be an alias; what
// an operator did not write is asked for.
absl::StatusOr<ConnectionDetails> TenantReconciler::WhoIsTheTenant(
    const DesiredTenant& desired, const TenantAccess& access) {
  ConnectionDetails tenant = {.tenant_uuid = desired.tenant_uuid,
                              .tenant_token = desired.tenant_token,
                              .endpoints = desired.endpoints};
  if (CheckComplete(tenant).ok()) return tenant;
  ASSIGN_OR_RETURN(const std::optional<ConnectionDetails> asked,
                   parts_.api.ConnectionInfo(access));
  if (asked.has_value()) {
    if (tenant.tenant_uuid.empty()) tenant.tenant_uuid = asked->tenant_uuid;
    // A token of one tenant with the name of another fits nobody.
    if (tenant.tenant_uuid != asked->tenant_uuid) {
      return absl::FailedPreconditionError(
          absl::StrCat("tenant: status says ", tenant.tenant_uuid,
                       ", connectioninfo says ", asked->tenant_uuid));
    }
    if (tenant.tenant_token.empty()) tenant.tenant_token = asked->tenant_token;
    if (tenant.endpoints.empty()) tenant.endpoints = asked->endpoints;
  }
  RETURN_IF_ERROR(CheckComplete(tenant));
  return tenant;
}

absl::StatusOr<std::vector<ConfProperty>> TenantReconciler::ProcessProperties(
    const DesiredTenant& desired, const TenantAccess& access) {
  // The operator asked, so that not every node has to.
  if (!desired.process_config.empty()) return PropertiesFromSecret(desired);
  const std::string& dynakube = desired.dynakube;
  ProcessConfig known;
  {
    MutexLock lock(mu_);
    const auto found = configs_.find(dynakube);
    if (found != configs_.end() && AsksTheSame(found->second.access, access)) {
      known = found->second.config;
    }
  }
  ASSIGN_OR_RETURN(std::optional<ProcessConfig> newer,
                   parts_.api.GetProcessConfig(access, known.revision));
  if (!newer.has_value()) return known.properties;
  MutexLock lock(mu_);
  configs_[dynakube] = {access, *newer};
  return std::move(newer->properties);
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
    attempt.installed = true;
    return installer_.Commit(*flight);
  }
  ASSIGN_OR_RETURN(std::optional<AgentRow> row,
                   installer_.FindInstalled(identity));
  if (row.has_value()) return *std::move(row);
  return absl::AbortedError(absl::StrCat(
      "agent ", identity.version, ": was collected just now, comes again"));
}

absl::StatusOr<ConfigRow> TenantReconciler::InstallConfig(
    const Attempt& attempt, const std::string& agent_id) {
  absl::StatusOr<std::string> own =
      parts_.store.ReadAgentFile(agent_id, kProcessConfPath, kMaxProcessConf);
  if (absl::IsNotFound(own.status())) own = std::string();
  if (!own.ok()) return own.status();
  ASSIGN_OR_RETURN(std::string merged,
                   MergeProcessConf(*own, attempt.properties));
  return parts_.store.InstallConfig(attempt.desired.dynakube,
                                    {{kProcessConfPath, std::move(merged)}});
}

// From here on, new pods get the new agent and configuration.
absl::Status TenantReconciler::Switch(const Attempt& attempt,
                                      const std::string& agent_id,
                                      const std::string& config_id,
                                      TenantRow& row) {
  TenantRow ready = row;
  ready.tenant_uuid = attempt.tenant.tenant_uuid;
  ready.agent_id = agent_id;
  ready.config_id = config_id;
  ready.version = attempt.version;
  ready.state = TenantState::kReady;
  ready.reason.clear();
  ready.updated_at = parts_.clock.Now();
  RETURN_IF_ERROR(parts_.book.Write(ready));
  row = std::move(ready);
  return absl::OkStatus();
}

// A download takes its time: says so before it begins.
absl::Status TenantReconciler::Announce(const Attempt& attempt, TenantRow row) {
  row.tenant_uuid = attempt.tenant.tenant_uuid;
  row.version = attempt.version;
  row.state = TenantState::kWaiting;
  row.reason = absl::StrCat("agent ", attempt.version, ": being installed");
  row.updated_at = parts_.clock.Now();
  const absl::Status written = parts_.book.Write(row);
  // The row's old agent is gone: Conclude copes with it.
  return absl::IsFailedPrecondition(written) ? absl::OkStatus() : written;
}

}  // namespace oneagent
