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

Reconciler::Reconciler(const Parts& parts)
    : parts_(parts),
      installer_(parts.store, parts.index, parts.api, parts.observer) {}

ReconcileReport Reconciler::Reconcile(const TenantTask& task) {
  const absl::Time start = parts_.clock.Now();
  Attempt attempt;
  TenantRow row = RowBefore(task);
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
  const absl::Status written = Conclude(outcome, attempt, row);
  if (!written.ok()) {
    row.state = TenantState::kFailed;
    row.reason = std::string(written.message());
  }
  report.row = std::move(row);
  report.duration = parts_.clock.Now() - start;
  parts_.observer.OnReconciled(report);
  return report;
}

TenantRow Reconciler::RowBefore(const TenantTask& task) {
  TenantRow row;
  // Unreadable on both sides: nobody can say what pods get, so they get what
  // this reconcile finds.
  absl::StatusOr<std::optional<TenantRow>> found =
      parts_.book.Find(task.dynakube);
  if (found.ok() && found->has_value()) row = **std::move(found);
  row.dynakube = task.dynakube;
  if (!task.namespace_name.empty()) {
    row.namespace_name = task.namespace_name;
    row.max_attempts = task.max_attempts;
  }
  row.deleted_at = absl::InfinitePast();
  return row;
}

// Writes how it ended. What the row has of agent and config is by now either
// new (OK) or as it was.
absl::Status Reconciler::Conclude(const absl::Status& outcome,
                                  const Attempt& attempt, TenantRow& row) {
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

absl::Status Reconciler::RunWithoutAgent(Attempt& attempt, TenantRow& row) {
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

absl::Status Reconciler::Run(Attempt& attempt, TenantRow& row) {
  const DesiredTenant& desired = attempt.desired;
  switch (ChooseSource(desired)) {
    case AgentSource::kImage:
      return absl::UnimplementedError(absl::StrCat(
          "codeModulesImage ", desired.image, ": is not supported yet"));
    case AgentSource::kZip:
      break;
  }
  const TenantAccess access = AccessOf(desired);
  const Platform platform = ThisPlatform();
  attempt.version = desired.version;
  ASSIGN_OR_RETURN(attempt.tenant, WhoIsTheTenant(desired, access));
  if (attempt.version.empty()) {
    ASSIGN_OR_RETURN(attempt.version,
                     parts_.api.LatestVersion(access, platform));
  }
  ASSIGN_OR_RETURN(const std::vector<ConfProperty> from_tenant,
                   ProcessProperties(desired.dynakube, access));
  ASSIGN_OR_RETURN(const std::vector<ConfProperty> properties,
                   TenantProperties(desired, attempt.tenant, from_tenant));
  Failpoint("reconcile:1");

  const AgentIdentity identity = {.kind = "zip",
                                  .version = attempt.version,
                                  .arch = platform.arch,
                                  .flavor = platform.flavor};
  ASSIGN_OR_RETURN(const std::optional<AgentRow> installed,
                   installer_.FindInstalled(identity));
  std::unique_ptr<AgentInstaller::Flight> flight;
  if (!installed.has_value()) {
    RETURN_IF_ERROR(Announce(attempt, row));
    ASSIGN_OR_RETURN(flight, installer_.Download(access, platform, identity));
  }

  // From here to the row, nothing may be collected.
  const CommitGate::Commit commit(parts_.gate);
  ASSIGN_OR_RETURN(const AgentRow agent,
                   EnsureAgent(identity, flight, attempt));
  Failpoint("reconcile:2");
  ASSIGN_OR_RETURN(const ConfigRow config,
                   InstallConfig(attempt, agent.id, properties));
  Failpoint("reconcile:3");
  TenantRow ready = row;
  ready.tenant_uuid = attempt.tenant.tenant_uuid;
  ready.agent_id = agent.id;
  ready.config_id = config.id;
  ready.version = attempt.version;
  ready.state = TenantState::kReady;
  ready.reason.clear();
  ready.updated_at = parts_.clock.Now();
  RETURN_IF_ERROR(parts_.book.Write(ready));
  Failpoint("reconcile:4");
  row = std::move(ready);
  return absl::OkStatus();
}

// tenantUUID from the status, never from apiUrl, which may be an alias; what
// an operator did not write is asked for.
absl::StatusOr<ConnectionDetails> Reconciler::WhoIsTheTenant(
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

absl::StatusOr<std::vector<ConfProperty>> Reconciler::ProcessProperties(
    const std::string& dynakube, const TenantAccess& access) {
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

absl::StatusOr<AgentRow> Reconciler::EnsureAgent(
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

absl::StatusOr<ConfigRow> Reconciler::InstallConfig(
    const Attempt& attempt, const std::string& agent_id,
    const std::vector<ConfProperty>& properties) {
  absl::StatusOr<std::string> own =
      parts_.store.ReadAgentFile(agent_id, kProcessConfPath);
  if (absl::IsNotFound(own.status())) own = std::string();
  if (!own.ok()) return own.status();
  const std::map<std::string, std::string> files = {
      {kProcessConfPath, MergeProcessConf(*own, properties)}};
  return parts_.store.InstallConfig(attempt.desired.dynakube, files);
}

// A download takes its time: says so before it begins.
absl::Status Reconciler::Announce(const Attempt& attempt, TenantRow row) {
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
