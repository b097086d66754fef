#include <utility>

#include "absl/strings/str_cat.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "cache/index/connection.h"
#include "cache/index/index.h"
#include "cache/index/stored_rows.h"

namespace oneagent {
namespace {

References ReferencesOf(const TenantRow& row) {
  return {.agent_id = row.agent_id, .config_id = row.config_id};
}

// Leases of volumes that the mounter has not entered yet are not in the file.
absl::Status CheckReconciled(const Statements& sql, absl::string_view boot_id) {
  ASSIGN_OR_RETURN(const std::string reconciled,
                   LoadMeta(sql, kReconciledBootIdKey));
  if (!reconciled.empty() && reconciled == boot_id) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "index: the mounter has not entered this boot's volumes yet");
}

// Runs one of the delete_unused_* statements; true when it deleted the row.
absl::StatusOr<bool> DeleteUnused(Database& db, const Statements& sql,
                                  const Statement& statement,
                                  absl::string_view id,
                                  absl::Time unused_before,
                                  absl::string_view boot_id) {
  RETURN_IF_ERROR(CheckReconciled(sql, boot_id));
  // Not Time(): InfinitePast is before every time here, not "unset".
  RETURN_IF_ERROR(Query(statement)
                      .Text(":id", id)
                      .Int(":unused_before", absl::ToUnixMillis(unused_before))
                      .Run());
  return db.changes() > 0;
}

absl::Status SetState(const Statement& statement, absl::string_view id,
                      TreeState state) {
  return Query(statement).Text(":id", id).Text(":state", Name(state)).Run();
}

}  // namespace

absl::Status Index::PutAgent(const AgentRow& agent) {
  return connection_->Write([&](const Connection::Session& session) {
    return StoreAgent(session.sql, agent);
  });
}

absl::Status Index::PutConfig(const ConfigRow& config) {
  return connection_->Write([&](const Connection::Session& session) {
    return StoreConfig(session.sql, config);
  });
}

absl::Status Index::PutTenant(const TenantRow& tenant) {
  return connection_->Write(
      [&](const Connection::Session& session) -> absl::Status {
        ASSIGN_OR_RETURN(const std::optional<TenantRow> before,
                         LoadTenant(session.sql, tenant.dynakube));
        const absl::Status stored = StoreTenant(session.sql, tenant);
        if (absl::IsFailedPrecondition(stored)) {
          return Annotate(stored,
                          absl::StrCat("tenant ", tenant.dynakube, ": agent '",
                                       tenant.agent_id, "' or configuration '",
                                       tenant.config_id, "'"));
        }
        RETURN_IF_ERROR(stored);
        if (!before.has_value()) return absl::OkStatus();
        const bool live = tenant.deleted_at == absl::InfinitePast();
        return LetGo(session.sql, ReferencesOf(*before),
                     live ? ReferencesOf(tenant) : References{},
                     tenant.updated_at);
      });
}

absl::Status Index::DeleteTenant(absl::string_view dynakube) {
  return connection_->Write([&](const Connection::Session& session) {
    return Query(session.sql.delete_tenant).Text(":dynakube", dynakube).Run();
  });
}

absl::Status Index::SetAgentState(absl::string_view id, TreeState state) {
  return connection_->Write([&](const Connection::Session& session) {
    return SetState(session.sql.set_agent_state, id, state);
  });
}

absl::Status Index::SetConfigState(absl::string_view id, TreeState state) {
  return connection_->Write([&](const Connection::Session& session) {
    return SetState(session.sql.set_config_state, id, state);
  });
}

absl::StatusOr<bool> Index::DeleteAgentIfUnused(absl::string_view id,
                                                absl::Time unused_before,
                                                absl::string_view boot_id) {
  absl::StatusOr<bool> deleted;
  RETURN_IF_ERROR(connection_->Write([&](const Connection::Session& session) {
    deleted =
        DeleteUnused(session.db, session.sql, session.sql.delete_unused_agent,
                     id, unused_before, boot_id);
    return deleted.status();
  }));
  return deleted;
}

absl::StatusOr<bool> Index::DeleteConfigIfUnused(absl::string_view id,
                                                 absl::Time unused_before,
                                                 absl::string_view boot_id) {
  absl::StatusOr<bool> deleted;
  RETURN_IF_ERROR(connection_->Write([&](const Connection::Session& session) {
    deleted =
        DeleteUnused(session.db, session.sql, session.sql.delete_unused_config,
                     id, unused_before, boot_id);
    return deleted.status();
  }));
  return deleted;
}

absl::StatusOr<std::optional<AgentRow>> Index::GetAgent(absl::string_view id) {
  absl::StatusOr<std::optional<AgentRow>> agent;
  RETURN_IF_ERROR(connection_->Read([&](const Connection::Session& session) {
    Query query(session.sql.get_agent);
    query.Text(":id", id);
    agent = FirstRow(query, &AgentAt);
    return agent.status();
  }));
  return agent;
}

absl::StatusOr<std::optional<TenantRow>> Index::GetTenant(
    absl::string_view dynakube) {
  absl::StatusOr<std::optional<TenantRow>> tenant;
  RETURN_IF_ERROR(connection_->Read([&](const Connection::Session& session) {
    tenant = LoadTenant(session.sql, dynakube);
    return tenant.status();
  }));
  return tenant;
}

absl::StatusOr<std::vector<AgentRow>> Index::ListAgents() {
  absl::StatusOr<std::vector<AgentRow>> agents;
  RETURN_IF_ERROR(connection_->Read([&](const Connection::Session& session) {
    agents = AllRows(session.sql.list_agents, &AgentAt);
    return agents.status();
  }));
  return agents;
}

absl::StatusOr<std::vector<ConfigRow>> Index::ListConfigs() {
  absl::StatusOr<std::vector<ConfigRow>> configs;
  RETURN_IF_ERROR(connection_->Read([&](const Connection::Session& session) {
    configs = AllRows(session.sql.list_configs, &ConfigAt);
    return configs.status();
  }));
  return configs;
}

absl::StatusOr<std::vector<TenantRow>> Index::ListTenants() {
  absl::StatusOr<std::vector<TenantRow>> tenants;
  RETURN_IF_ERROR(connection_->Read([&](const Connection::Session& session) {
    tenants = AllRows(session.sql.list_tenants, &TenantAt);
    return tenants.status();
  }));
  return tenants;
}

}  // namespace oneagent
