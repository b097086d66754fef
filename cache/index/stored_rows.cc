#include "cache/index/stored_rows.h"

#include "base/posix_status.h"
#include "base/status_macros.h"

namespace oneagent {
namespace {

// A column that holds one of our names. Another text is damage: the file has
// our schema version, and its CHECKs let no other name in.
template <typename Enum>
absl::StatusOr<Enum> NameAt(const Query& query, int column,
                            absl::StatusOr<Enum> (*parse)(absl::string_view)) {
  absl::StatusOr<Enum> value = parse(query.TextAt(column));
  if (value.ok()) return value;
  return WithCode(value.status(), absl::StatusCode::kDataLoss);
}

absl::Status Touch(const Statement& statement, absl::string_view before,
                   absl::string_view after, absl::Time now) {
  if (before.empty() || before == after || now == absl::InfinitePast()) {
    return absl::OkStatus();
  }
  return Query(statement).Text(":id", before).Time(":now", now).Run();
}

// A word that this program does not know says less, not that the row is wrong.
Cause CauseAt(const Query& query, int column) {
  return ParseCause(query.TextAt(column)).value_or(Cause::kOther);
}

}  // namespace

absl::StatusOr<AgentRow> AgentAt(const Query& query) {
  ASSIGN_OR_RETURN(const TreeState state, NameAt(query, 7, &ParseTreeState));
  return AgentRow{.id = query.TextAt(0),
                  .kind = query.TextAt(1),
                  .version = query.TextAt(2),
                  .arch = query.TextAt(3),
                  .flavor = query.TextAt(4),
                  .source = query.TextAt(5),
                  .digest = query.TextAt(6),
                  .state = state,
                  .bytes = query.IntAt(8),
                  .files = query.IntAt(9),
                  .installed_at = query.TimeAt(10),
                  .last_used_at = query.TimeAt(11),
                  .leases = query.IntAt(12),
                  .is_current = query.IntAt(13) != 0};
}

absl::StatusOr<ConfigRow> ConfigAt(const Query& query) {
  ASSIGN_OR_RETURN(const TreeState state, NameAt(query, 2, &ParseTreeState));
  return ConfigRow{.id = query.TextAt(0),
                   .dynakube = query.TextAt(1),
                   .state = state,
                   .bytes = query.IntAt(3),
                   .files = query.IntAt(4),
                   .created_at = query.TimeAt(5),
                   .last_used_at = query.TimeAt(6),
                   .leases = query.IntAt(7),
                   .is_current = query.IntAt(8) != 0};
}

absl::StatusOr<TenantRow> TenantAt(const Query& query) {
  ASSIGN_OR_RETURN(const TenantState state,
                   NameAt(query, 7, &ParseTenantState));
  return TenantRow{.dynakube = query.TextAt(0),
                   .namespace_name = query.TextAt(1),
                   .tenant_uuid = query.TextAt(2),
                   .agent_id = query.TextAt(3),
                   .config_id = query.TextAt(4),
                   .version = query.TextAt(5),
                   .max_attempts = static_cast<int32_t>(query.IntAt(6)),
                   .state = state,
                   .reason = query.TextAt(8),
                   .updated_at = query.TimeAt(9),
                   .deleted_at = query.TimeAt(10)};
}

absl::StatusOr<VolumeRow> VolumeAt(const Query& query) {
  ASSIGN_OR_RETURN(const VolumeMode mode, NameAt(query, 5, &ParseVolumeMode));
  ASSIGN_OR_RETURN(const VolumeState state,
                   NameAt(query, 8, &ParseVolumeState));
  return VolumeRow{.id = query.TextAt(0),
                   .pod = query.TextAt(1),
                   .namespace_name = query.TextAt(2),
                   .pod_uid = query.TextAt(3),
                   .dynakube = query.TextAt(4),
                   .mode = mode,
                   .read_only = query.IntAt(6) != 0,
                   .target = query.TextAt(7),
                   .state = state,
                   .agent_id = query.TextAt(9),
                   .config_id = query.TextAt(10),
                   .host_storage = query.TextAt(11),
                   .boot_id = query.TextAt(12),
                   .since = query.TimeAt(13),
                   .reason = query.TextAt(14),
                   .attempts = static_cast<int32_t>(query.IntAt(15)),
                   .first_failure_at = query.TimeAt(16),
                   .first_failure_uptime = absl::Milliseconds(query.IntAt(17)),
                   .cause = CauseAt(query, 18),
                   .covers = query.IntAt(19) != 0};
}

absl::StatusOr<NoticeRow> NoticeAt(const Query& query) {
  return NoticeRow{.seq = query.IntAt(0),
                   .volume_id = query.TextAt(1),
                   .pod = query.TextAt(2),
                   .namespace_name = query.TextAt(3),
                   .pod_uid = query.TextAt(4),
                   .dynakube = query.TextAt(5),
                   .reason = query.TextAt(6),
                   .cause = CauseAt(query, 7),
                   .at = query.TimeAt(8)};
}

absl::StatusOr<std::string> LoadMeta(const Statements& statements,
                                     absl::string_view key) {
  Query query(statements.get_meta);
  ASSIGN_OR_RETURN(const bool found, query.Text(":key", key).Step());
  return found ? query.TextAt(0) : "";
}

absl::Status StoreMeta(const Statements& statements, absl::string_view key,
                       absl::string_view value) {
  return Query(statements.put_meta)
      .Text(":key", key)
      .Text(":value", value)
      .Run();
}

absl::StatusOr<std::optional<VolumeRow>> LoadVolume(
    const Statements& statements, absl::string_view id) {
  Query query(statements.get_volume);
  query.Text(":id", id);
  return FirstRow(query, &VolumeAt);
}

absl::StatusOr<std::optional<TenantRow>> LoadTenant(
    const Statements& statements, absl::string_view dynakube) {
  Query query(statements.get_tenant);
  query.Text(":dynakube", dynakube);
  return FirstRow(query, &TenantAt);
}

absl::Status StoreAgent(const Statements& statements, const AgentRow& row) {
  return Query(statements.put_agent)
      .Text(":id", row.id)
      .Text(":kind", row.kind)
      .Text(":version", row.version)
      .Text(":arch", row.arch)
      .Text(":flavor", row.flavor)
      .Text(":source", row.source)
      .Text(":digest", row.digest)
      .Text(":state", Name(row.state))
      .Int(":bytes", row.bytes)
      .Int(":files", row.files)
      .Time(":installed_at", row.installed_at)
      .Time(":last_used_at", row.last_used_at)
      .Run();
}

absl::Status StoreConfig(const Statements& statements, const ConfigRow& row) {
  return Query(statements.put_config)
      .Text(":id", row.id)
      .Text(":dynakube", row.dynakube)
      .Text(":state", Name(row.state))
      .Int(":bytes", row.bytes)
      .Int(":files", row.files)
      .Time(":created_at", row.created_at)
      .Time(":last_used_at", row.last_used_at)
      .Run();
}

absl::Status StoreVolume(const Statements& statements, const VolumeRow& row) {
  return Query(statements.put_volume)
      .Text(":id", row.id)
      .Text(":pod", row.pod)
      .Text(":namespace", row.namespace_name)
      .Text(":pod_uid", row.pod_uid)
      .Text(":dynakube", row.dynakube)
      .Text(":mode", Name(row.mode))
      .Int(":read_only", row.read_only ? 1 : 0)
      .Text(":target", row.target)
      .Text(":state", Name(row.state))
      .TextOrNull(":agent_id", row.agent_id)
      .TextOrNull(":config_id", row.config_id)
      .Text(":host_storage", row.host_storage)
      .Text(":boot_id", row.boot_id)
      .Time(":since", row.since)
      .Text(":reason", row.reason)
      .Int(":attempts", row.attempts)
      .Time(":first_failure_at", row.first_failure_at)
      .Int(":first_failure_uptime",
           absl::ToInt64Milliseconds(row.first_failure_uptime))
      .Text(":cause", Name(row.cause))
      .Int(":covers", row.covers ? 1 : 0)
      .Run();
}

absl::Status StoreTenant(const Statements& statements, const TenantRow& row) {
  const bool live = row.deleted_at == absl::InfinitePast();
  return Query(statements.put_tenant)
      .Text(":dynakube", row.dynakube)
      .Text(":namespace", row.namespace_name)
      .Text(":tenant_uuid", row.tenant_uuid)
      .TextOrNull(":agent_id", live ? row.agent_id : "")
      .TextOrNull(":config_id", live ? row.config_id : "")
      .Text(":version", row.version)
      .Int(":max_attempts", row.max_attempts)
      .Text(":state", Name(row.state))
      .Text(":reason", row.reason)
      .Time(":updated_at", row.updated_at)
      .Time(":deleted_at", row.deleted_at)
      .Run();
}

absl::Status StoreMissing(const Statements& statements,
                          const References& references) {
  if (!references.agent_id.empty()) {
    RETURN_IF_ERROR(Query(statements.put_missing_agent)
                        .Text(":id", references.agent_id)
                        .Run());
  }
  if (references.config_id.empty()) return absl::OkStatus();
  return Query(statements.put_missing_config)
      .Text(":id", references.config_id)
      .Run();
}

absl::Status LetGo(const Statements& statements, const References& before,
                   const References& after, absl::Time now) {
  RETURN_IF_ERROR(
      Touch(statements.touch_agent, before.agent_id, after.agent_id, now));
  return Touch(statements.touch_config, before.config_id, after.config_id, now);
}

}  // namespace oneagent
