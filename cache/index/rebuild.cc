// Sequence "rebuild", under flock(index.lock, LOCK_EX):
//   1 rename index.db to index.db.damaged-<time>, then -wal and -shm after it;
//     forget all but the newest three of those
//   2 remove what an earlier rebuild left: index.db.new, -wal, -shm
//   3 make index.db.new and fill it, in one transaction, from the records of
//     agents, configs and tenants
//   4 checkpoint and close it: everything is in the one file, no -wal is left
//   5 rename index.db.new to index.db: the commit point
//
// Dying anywhere before 5 leaves no index.db (or still the damaged one), and
// the next opener begins again at 1; a half-filled index never has the name.
// In 1 the database goes before its -wal: a database without its -wal may look
// healthy and lack its last leases, while a -wal without database is found at
// the next 1 and set aside too. (SQLite would replay it into the new file.)
#include "cache/index/rebuild.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/durable_file.h"
#include "base/failpoint.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "cache/index/records.h"
#include "cache/index/stored_rows.h"

namespace oneagent {
namespace {

constexpr const char* kSuffixes[] = {"", "-wal", "-shm"};
constexpr char kDamagedName[] = "index.db.damaged-";
constexpr size_t kKeptDamaged = 3;

// Keeps the newest kKeptDamaged sets; their names sort by time.
absl::Status ForgetOldDamaged(const Layout& layout) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   ListDirectory(layout.data_dir()));
  std::set<std::string> sets;
  for (absl::string_view name : names) {
    if (!absl::ConsumePrefix(&name, kDamagedName)) continue;
    if (!absl::ConsumeSuffix(&name, "-wal")) absl::ConsumeSuffix(&name, "-shm");
    sets.emplace(name);
  }
  while (sets.size() > kKeptDamaged) {
    for (const char* const suffix : kSuffixes) {
      RETURN_IF_ERROR(RemoveFileIfPresent(absl::StrCat(
          layout.data_dir(), "/", kDamagedName, *sets.begin(), suffix)));
    }
    sets.erase(sets.begin());
  }
  return absl::OkStatus();
}

// Returns the new path of index.db, empty when there was none.
absl::StatusOr<std::string> SetAside(const Layout& layout, absl::Time now) {
  const std::string to = absl::StrCat(
      layout.data_dir(), "/", kDamagedName,
      absl::FormatTime("%Y%m%dT%H%M%E6SZ", now, absl::UTCTimeZone()));
  bool found = false;
  for (const char* const suffix : kSuffixes) {
    const std::string from = absl::StrCat(layout.IndexFile(), suffix);
    const std::string aside = absl::StrCat(to, suffix);
    if (rename(from.c_str(), aside.c_str()) == 0) {
      found = found || suffix[0] == '\0';
    } else if (errno != ENOENT) {
      return PosixStatus(absl::StrCat("rename ", from, " -> ", aside), errno);
    }
    Failpoint("rebuild:1");
  }
  RETURN_IF_ERROR(ForgetOldDamaged(layout));
  return found ? to : "";
}

// The names X of the records X.json in `dir`, which need not exist.
absl::StatusOr<std::vector<std::string>> RecordNames(const std::string& dir) {
  absl::StatusOr<std::vector<std::string>> files = ListDirectory(dir);
  if (absl::IsNotFound(files.status())) return std::vector<std::string>();
  if (!files.ok()) return files.status();
  std::vector<std::string> names;
  for (absl::string_view name : *files) {
    // No temporary file either: those begin with a dot.
    if (absl::ConsumeSuffix(&name, ".json") && IsVolumeId(name)) {
      names.emplace_back(name);
    }
  }
  return names;
}

TreeState StateOf(const std::string& tree) {
  struct stat info;
  return lstat(tree.c_str(), &info) == 0 && S_ISDIR(info.st_mode)
             ? TreeState::kReady
             : TreeState::kMissing;
}

void Skip(Rebuilt& rebuilt, const absl::Status& why) {
  if (rebuilt.skipped++ == 0) {
    rebuilt.first_skipped = std::string(why.message());
  }
}

absl::Status FillAgents(const Layout& layout, const Statements& statements,
                        Rebuilt& rebuilt) {
  ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                   RecordNames(layout.AgentsDir()));
  for (const std::string& id : ids) {
    absl::StatusOr<AgentRow> agent = ReadAgentRecord(layout, id);
    if (!agent.ok()) {
      Skip(rebuilt, agent.status());
      continue;
    }
    agent->state = StateOf(layout.AgentTree(id));
    RETURN_IF_ERROR(StoreAgent(statements, *agent));
    ++rebuilt.records;
  }
  return absl::OkStatus();
}

absl::Status FillConfigs(const Layout& layout, const Statements& statements,
                         Rebuilt& rebuilt) {
  ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                   RecordNames(layout.ConfigsDir()));
  for (const std::string& id : ids) {
    absl::StatusOr<ConfigRow> config = ReadConfigRecord(layout, id);
    if (!config.ok()) {
      Skip(rebuilt, config.status());
      continue;
    }
    config->state = StateOf(layout.ConfigTree(id));
    RETURN_IF_ERROR(StoreConfig(statements, *config));
    ++rebuilt.records;
  }
  return absl::OkStatus();
}

absl::Status FillTenants(const Layout& layout, const Statements& statements,
                         Rebuilt& rebuilt) {
  ASSIGN_OR_RETURN(const std::vector<std::string> dynakubes,
                   RecordNames(layout.TenantsDir()));
  for (const std::string& dynakube : dynakubes) {
    absl::StatusOr<TenantRow> tenant = ReadTenantRecord(layout, dynakube);
    if (!tenant.ok()) {
      Skip(rebuilt, tenant.status());
      continue;
    }
    // What it names may be gone from disk: then pods are told so, and the
    // provisioner installs it again.
    if (tenant->deleted_at == absl::InfinitePast()) {
      RETURN_IF_ERROR(StoreMissing(
          statements,
          {.agent_id = tenant->agent_id, .config_id = tenant->config_id}));
    }
    RETURN_IF_ERROR(StoreTenant(statements, *tenant));
    ++rebuilt.records;
  }
  return absl::OkStatus();
}

absl::Status Fill(const Layout& layout, IndexFile& file, absl::Time now,
                  Rebuilt& rebuilt) {
  const Statements& statements = file.statements();
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(file.db()));
  RETURN_IF_ERROR(FillAgents(layout, statements, rebuilt));
  RETURN_IF_ERROR(FillConfigs(layout, statements, rebuilt));
  RETURN_IF_ERROR(FillTenants(layout, statements, rebuilt));
  // Who still holds a number of the old file's must not delete the new one's
  // notices with it: numbers go on from the time in microseconds.
  RETURN_IF_ERROR(Query(statements.start_notices)
                      .Int(":seq", absl::ToUnixMicros(now))
                      .Run());
  return transaction.Commit();
}

}  // namespace

absl::StatusOr<Rebuilt> RebuildIndex(const Layout& layout,
                                     const IndexFile::Options& options,
                                     absl::Time now) {
  Rebuilt rebuilt;
  ASSIGN_OR_RETURN(rebuilt.set_aside, SetAside(layout, now));
  Failpoint("rebuild:2");
  const std::string fresh = absl::StrCat(layout.IndexFile(), ".new");
  for (const char* const suffix : kSuffixes) {
    RETURN_IF_ERROR(RemoveFileIfPresent(absl::StrCat(fresh, suffix)));
  }
  ASSIGN_OR_RETURN(std::unique_ptr<IndexFile> file,
                   IndexFile::Create(fresh, options));
  Failpoint("rebuild:3");
  RETURN_IF_ERROR(Fill(layout, *file, now, rebuilt));
  Failpoint("rebuild:4");
  // Closing would do it too, but keep an error (disk full) to itself.
  RETURN_IF_ERROR(file->db().Execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  file.reset();
  Failpoint("rebuild:5");
  const std::string path = layout.IndexFile();
  if (rename(fresh.c_str(), path.c_str()) != 0) {
    return PosixStatus(absl::StrCat("rename ", fresh, " -> ", path), errno);
  }
  const absl::StatusOr<std::vector<std::string>> volumes =
      ListDirectory(layout.VolumesDir());
  rebuilt.had_volumes = volumes.ok() && !volumes->empty();
  return rebuilt;
}

}  // namespace oneagent
