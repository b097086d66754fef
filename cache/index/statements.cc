#include "cache/index/statements.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/posix_status.h"
#include "base/status_macros.h"

namespace oneagent {
namespace {

// Times are unix milliseconds, NULL where unset. A lease is the foreign key of
// a volume; ON DELETE RESTRICT is immediate, so nothing can defer the refusal.
constexpr char kVersion1[] = R"sql(
PRAGMA application_id = 0x4f414349;

CREATE TABLE meta (
  key   TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE agents (
  id           TEXT NOT NULL PRIMARY KEY,
  kind         TEXT NOT NULL,
  version      TEXT NOT NULL,
  arch         TEXT NOT NULL,
  flavor       TEXT NOT NULL,
  source       TEXT NOT NULL,
  digest       TEXT NOT NULL,
  state        TEXT NOT NULL CHECK (state IN ('ready', 'missing')),
  bytes        INTEGER NOT NULL,
  files        INTEGER NOT NULL,
  installed_at INTEGER,
  last_used_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE configs (
  id           TEXT NOT NULL PRIMARY KEY,
  dynakube     TEXT NOT NULL,
  state        TEXT NOT NULL CHECK (state IN ('ready', 'missing')),
  bytes        INTEGER NOT NULL,
  files        INTEGER NOT NULL,
  created_at   INTEGER,
  last_used_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE tenants (
  dynakube     TEXT NOT NULL PRIMARY KEY,
  namespace    TEXT NOT NULL,
  tenant_uuid  TEXT NOT NULL,
  agent_id     TEXT REFERENCES agents (id) ON DELETE RESTRICT,
  config_id    TEXT REFERENCES configs (id) ON DELETE RESTRICT,
  version      TEXT NOT NULL,
  max_attempts INTEGER NOT NULL,
  state        TEXT NOT NULL CHECK (state IN ('ready', 'waiting', 'failed')),
  reason       TEXT NOT NULL,
  updated_at   INTEGER,
  deleted_at   INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX tenants_by_agent ON tenants (agent_id);
CREATE INDEX tenants_by_config ON tenants (config_id);

CREATE TABLE volumes (
  id               TEXT NOT NULL PRIMARY KEY,
  pod              TEXT NOT NULL,
  namespace        TEXT NOT NULL,
  pod_uid          TEXT NOT NULL,
  dynakube         TEXT NOT NULL,
  mode             TEXT NOT NULL CHECK (mode IN ('app', 'host')),
  read_only        INTEGER NOT NULL,
  target           TEXT NOT NULL,
  state            TEXT NOT NULL
      CHECK (state IN ('waiting', 'mounting', 'mounted', 'empty')),
  agent_id         TEXT REFERENCES agents (id) ON DELETE RESTRICT,
  config_id        TEXT REFERENCES configs (id) ON DELETE RESTRICT,
  host_storage     TEXT NOT NULL,
  boot_id          TEXT NOT NULL,
  since            INTEGER,
  reason           TEXT NOT NULL,
  attempts         INTEGER NOT NULL,
  first_failure_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX volumes_by_agent ON volumes (agent_id);
CREATE INDEX volumes_by_config ON volumes (config_id);

CREATE TABLE notices (
  seq       INTEGER PRIMARY KEY AUTOINCREMENT,
  volume_id TEXT NOT NULL,
  pod       TEXT NOT NULL,
  namespace TEXT NOT NULL,
  pod_uid   TEXT NOT NULL,
  dynakube  TEXT NOT NULL,
  reason    TEXT NOT NULL,
  at        INTEGER NOT NULL
) STRICT;

PRAGMA user_version = 1;
)sql";

constexpr char kVersion2[] = R"sql(
ALTER TABLE volumes ADD COLUMN first_failure_uptime INTEGER NOT NULL DEFAULT 0;
ALTER TABLE volumes ADD COLUMN cause TEXT NOT NULL DEFAULT '';
ALTER TABLE volumes ADD COLUMN covers INTEGER NOT NULL DEFAULT 0;
ALTER TABLE notices ADD COLUMN cause TEXT NOT NULL DEFAULT '';

PRAGMA user_version = 2;
)sql";

constexpr const char* kMigrations[] = {kVersion1, kVersion2};

struct NamedStatement {
  Statement Statements::*member;
  const char* sql;
};

// Columns of every SELECT stand in the order of the *At functions in
// stored_rows.cc.
constexpr NamedStatement kStatements[] = {
    {&Statements::get_meta, "SELECT value FROM meta WHERE key = :key"},
    {&Statements::put_meta,
     "INSERT INTO meta (key, value) VALUES (:key, :value)"
     " ON CONFLICT (key) DO UPDATE SET value = excluded.value"},
    {&Statements::data_version, "PRAGMA data_version"},

    {&Statements::get_volume,
     "SELECT id, pod, namespace, pod_uid, dynakube, mode, read_only, target,"
     " state, agent_id, config_id, host_storage, boot_id, since, reason,"
     " attempts, first_failure_at, first_failure_uptime, cause, covers"
     " FROM volumes WHERE id = :id"},
    {&Statements::list_volumes,
     "SELECT id, pod, namespace, pod_uid, dynakube, mode, read_only, target,"
     " state, agent_id, config_id, host_storage, boot_id, since, reason,"
     " attempts, first_failure_at, first_failure_uptime, cause, covers"
     " FROM volumes ORDER BY id"},
    {&Statements::put_volume,
     "INSERT INTO volumes (id, pod, namespace, pod_uid, dynakube, mode,"
     " read_only, target, state, agent_id, config_id, host_storage, boot_id,"
     " since, reason, attempts, first_failure_at, first_failure_uptime, cause,"
     " covers)"
     " VALUES (:id, :pod, :namespace, :pod_uid, :dynakube, :mode, :read_only,"
     " :target, :state, :agent_id, :config_id, :host_storage, :boot_id, :since,"
     " :reason, :attempts, :first_failure_at, :first_failure_uptime, :cause,"
     " :covers)"
     " ON CONFLICT (id) DO UPDATE SET pod = excluded.pod,"
     " namespace = excluded.namespace, pod_uid = excluded.pod_uid,"
     " dynakube = excluded.dynakube, mode = excluded.mode,"
     " read_only = excluded.read_only, target = excluded.target,"
     " state = excluded.state, agent_id = excluded.agent_id,"
     " config_id = excluded.config_id, host_storage = excluded.host_storage,"
     " boot_id = excluded.boot_id, since = excluded.since,"
     " reason = excluded.reason, attempts = excluded.attempts,"
     " first_failure_at = excluded.first_failure_at,"
     " first_failure_uptime = excluded.first_failure_uptime,"
     " cause = excluded.cause, covers = excluded.covers"},
    {&Statements::mark_mounted,
     "UPDATE volumes SET state = 'mounted', reason = '', attempts = 0,"
     " first_failure_at = NULL, first_failure_uptime = 0, cause = '',"
     " since = :now"
     " WHERE id = :id AND state IN ('mounting', 'mounted')"},
    {&Statements::delete_volume, "DELETE FROM volumes WHERE id = :id"},
    {&Statements::pick_lease,
     "SELECT t.state, t.reason, t.deleted_at, t.agent_id, t.config_id,"
     " a.state, c.state FROM tenants t"
     " LEFT JOIN agents a ON a.id = t.agent_id"
     " LEFT JOIN configs c ON c.id = t.config_id"
     " WHERE t.dynakube = :dynakube"},

    {&Statements::get_agent,
     "SELECT id, kind, version, arch, flavor, source, digest, state, bytes,"
     " files, installed_at, last_used_at,"
     " (SELECT count(*) FROM volumes v WHERE v.agent_id = a.id),"
     " EXISTS (SELECT 1 FROM tenants t WHERE t.agent_id = a.id)"
     " FROM agents a WHERE id = :id"},
    {&Statements::list_agents,
     "SELECT id, kind, version, arch, flavor, source, digest, state, bytes,"
     " files, installed_at, last_used_at,"
     " (SELECT count(*) FROM volumes v WHERE v.agent_id = a.id),"
     " EXISTS (SELECT 1 FROM tenants t WHERE t.agent_id = a.id)"
     " FROM agents a ORDER BY version, id"},
    {&Statements::put_agent,
     "INSERT INTO agents (id, kind, version, arch, flavor, source, digest,"
     " state, bytes, files, installed_at, last_used_at)"
     " VALUES (:id, :kind, :version, :arch, :flavor, :source, :digest, :state,"
     " :bytes, :files, :installed_at, :last_used_at)"
     " ON CONFLICT (id) DO UPDATE SET kind = excluded.kind,"
     " version = excluded.version, arch = excluded.arch,"
     " flavor = excluded.flavor, source = excluded.source,"
     " digest = excluded.digest, state = excluded.state,"
     " bytes = excluded.bytes, files = excluded.files,"
     " installed_at = excluded.installed_at, last_used_at ="
     " CASE WHEN last_used_at > excluded.last_used_at"
     " OR excluded.last_used_at IS NULL THEN last_used_at"
     " ELSE excluded.last_used_at END"},
    {&Statements::put_missing_agent,
     "INSERT INTO agents (id, kind, version, arch, flavor, source, digest,"
     " state, bytes, files) VALUES (:id, '', '', '', '', '', '', 'missing', 0,"
     " 0) ON CONFLICT (id) DO NOTHING"},
    {&Statements::touch_agent,
     "UPDATE agents SET last_used_at = :now WHERE id = :id"
     " AND (last_used_at IS NULL OR last_used_at < :now)"},
    {&Statements::set_agent_state,
     "UPDATE agents SET state = :state WHERE id = :id"},
    {&Statements::delete_unused_agent,
     "DELETE FROM agents WHERE id = :id"
     " AND coalesce(last_used_at, -9223372036854775808) < :unused_before"
     " AND NOT EXISTS (SELECT 1 FROM volumes v WHERE v.agent_id = agents.id)"
     " AND NOT EXISTS (SELECT 1 FROM tenants t WHERE t.agent_id = agents.id)"},

    {&Statements::list_configs,
     "SELECT id, dynakube, state, bytes, files, created_at, last_used_at,"
     " (SELECT count(*) FROM volumes v WHERE v.config_id = c.id),"
     " EXISTS (SELECT 1 FROM tenants t WHERE t.config_id = c.id)"
     " FROM configs c ORDER BY id"},
    {&Statements::put_config,
     "INSERT INTO configs (id, dynakube, state, bytes, files, created_at,"
     " last_used_at) VALUES (:id, :dynakube, :state, :bytes, :files,"
     " :created_at, :last_used_at)"
     " ON CONFLICT (id) DO UPDATE SET dynakube = excluded.dynakube,"
     " state = excluded.state, bytes = excluded.bytes, files = excluded.files,"
     " created_at = excluded.created_at, last_used_at ="
     " CASE WHEN last_used_at > excluded.last_used_at"
     " OR excluded.last_used_at IS NULL THEN last_used_at"
     " ELSE excluded.last_used_at END"},
    {&Statements::put_missing_config,
     "INSERT INTO configs (id, dynakube, state, bytes, files)"
     " VALUES (:id, '', 'missing', 0, 0) ON CONFLICT (id) DO NOTHING"},
    {&Statements::touch_config,
     "UPDATE configs SET last_used_at = :now WHERE id = :id"
     " AND (last_used_at IS NULL OR last_used_at < :now)"},
    {&Statements::set_config_state,
     "UPDATE configs SET state = :state WHERE id = :id"},
    {&Statements::delete_unused_config,
     "DELETE FROM configs WHERE id = :id"
     " AND coalesce(last_used_at, -9223372036854775808) < :unused_before"
     " AND NOT EXISTS (SELECT 1 FROM volumes v WHERE v.config_id = configs.id)"
     " AND NOT EXISTS (SELECT 1 FROM tenants t"
     " WHERE t.config_id = configs.id)"},

    {&Statements::get_tenant,
     "SELECT dynakube, namespace, tenant_uuid, agent_id, config_id, version,"
     " max_attempts, state, reason, updated_at, deleted_at"
     " FROM tenants WHERE dynakube = :dynakube"},
    {&Statements::list_tenants,
     "SELECT dynakube, namespace, tenant_uuid, agent_id, config_id, version,"
     " max_attempts, state, reason, updated_at, deleted_at"
     " FROM tenants ORDER BY dynakube"},
    {&Statements::put_tenant,
     "INSERT INTO tenants (dynakube, namespace, tenant_uuid, agent_id,"
     " config_id, version, max_attempts, state, reason, updated_at, deleted_at)"
     " VALUES (:dynakube, :namespace, :tenant_uuid, :agent_id, :config_id,"
     " :version, :max_attempts, :state, :reason, :updated_at, :deleted_at)"
     " ON CONFLICT (dynakube) DO UPDATE SET namespace = excluded.namespace,"
     " tenant_uuid = excluded.tenant_uuid, agent_id = excluded.agent_id,"
     " config_id = excluded.config_id, version = excluded.version,"
     " max_attempts = excluded.max_attempts, state = excluded.state,"
     " reason = excluded.reason, updated_at = excluded.updated_at,"
     " deleted_at = excluded.deleted_at"},
    {&Statements::delete_tenant,
     "DELETE FROM tenants WHERE dynakube = :dynakube"
     " AND deleted_at IS NOT NULL"},

    {&Statements::put_notice,
     "INSERT INTO notices (volume_id, pod, namespace, pod_uid, dynakube,"
     " reason, cause, at) VALUES (:volume_id, :pod, :namespace, :pod_uid,"
     " :dynakube, :reason, :cause, :at)"},
    {&Statements::trim_notices,
     "DELETE FROM notices WHERE at < :oldest"
     " OR seq <= (SELECT max(seq) FROM notices) - :most"},
    {&Statements::list_notices,
     "SELECT seq, volume_id, pod, namespace, pod_uid, dynakube, reason, cause,"
     " at"
     " FROM notices ORDER BY seq"},
    {&Statements::delete_notices, "DELETE FROM notices WHERE seq <= :seq"},
    {&Statements::delete_notice, "DELETE FROM notices WHERE seq = :seq"},
    {&Statements::start_notices,
     "INSERT INTO sqlite_sequence (name, seq) VALUES ('notices', :seq)"},
};

}  // namespace

std::span<const char* const> Migrations() { return kMigrations; }

absl::Status Migrate(Database& db, std::span<const char* const> migrations) {
  const int64_t newest = static_cast<int64_t>(migrations.size());
  ASSIGN_OR_RETURN(int64_t version, db.QueryInt("PRAGMA user_version"));
  if (version > newest) {
    return absl::FailedPreconditionError(
        absl::StrCat(db.path(), ": schema version ", version,
                     " is newer than this program's ", newest));
  }
  for (; version < newest; ++version) {
    ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(db));
    RETURN_IF_ERROR(
        Annotate(db.Execute(migrations[static_cast<size_t>(version)]),
                 absl::StrCat("migrate to schema version ", version + 1)));
    RETURN_IF_ERROR(transaction.Commit());
  }
  return absl::OkStatus();
}

absl::StatusOr<Statements> Statements::Prepare(Database& db) {
  Statements statements;
  for (const NamedStatement& named : kStatements) {
    ASSIGN_OR_RETURN(statements.*named.member,
                     Statement::Prepare(db, named.sql));
  }
  return statements;
}

}  // namespace oneagent
