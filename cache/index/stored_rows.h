// Rows in and out of an open index file: the statements' parameters and
// columns, and the small rules that hold for every writer. Each call is part
// of the caller's transaction.
#ifndef CACHE_INDEX_STORED_ROWS_H_
#define CACHE_INDEX_STORED_ROWS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cache/index/rows.h"
#include "cache/index/sqlite.h"
#include "cache/index/statements.h"

namespace oneagent {

// The current row of a query of that table. DataLoss when it holds a name that
// no writer of ours wrote.
absl::StatusOr<AgentRow> AgentAt(const Query& query);
absl::StatusOr<ConfigRow> ConfigAt(const Query& query);
absl::StatusOr<TenantRow> TenantAt(const Query& query);
absl::StatusOr<VolumeRow> VolumeAt(const Query& query);
absl::StatusOr<NoticeRow> NoticeAt(const Query& query);

// The first row of `query` through `row_at`, if there is one.
template <typename Row>
absl::StatusOr<std::optional<Row>> FirstRow(
    Query& query, absl::StatusOr<Row> (*row_at)(const Query&)) {
  const absl::StatusOr<bool> found = query.Step();
  if (!found.ok()) return found.status();
  if (!*found) return std::optional<Row>();
  absl::StatusOr<Row> row = row_at(query);
  if (!row.ok()) return row.status();
  return std::optional<Row>(*std::move(row));
}

// All rows of a query without parameters.
template <typename Row>
absl::StatusOr<std::vector<Row>> AllRows(
    const Statement& statement, absl::StatusOr<Row> (*row_at)(const Query&)) {
  Query query(statement);
  std::vector<Row> rows;
  while (true) {
    const absl::StatusOr<bool> found = query.Step();
    if (!found.ok()) return found.status();
    if (!*found) return rows;
    absl::StatusOr<Row> row = row_at(query);
    if (!row.ok()) return row.status();
    rows.push_back(*std::move(row));
  }
}

// The value of a key in meta; empty when there is none.
absl::StatusOr<std::string> LoadMeta(const Statements& statements,
                                     absl::string_view key);
absl::Status StoreMeta(const Statements& statements, absl::string_view key,
                       absl::string_view value);
inline constexpr char kReconciledBootIdKey[] = "reconciled_boot_id";
inline constexpr char kSourceTroubleKey[] = "source_trouble";

absl::StatusOr<std::optional<VolumeRow>> LoadVolume(
    const Statements& statements, absl::string_view id);
absl::StatusOr<std::optional<TenantRow>> LoadTenant(
    const Statements& statements, absl::string_view dynakube);

absl::Status StoreAgent(const Statements& statements, const AgentRow& row);
absl::Status StoreConfig(const Statements& statements, const ConfigRow& row);
absl::Status StoreVolume(const Statements& statements, const VolumeRow& row);
// A tenant with deleted_at is stored without agent and config.
absl::Status StoreTenant(const Statements& statements, const TenantRow& row);

// What a volume or tenant references.
struct References {
  std::string agent_id = {};
  std::string config_id = {};
};

// Gives what is referenced and has no row one with state `missing`.
absl::Status StoreMissing(const Statements& statements,
                          const References& references);

// Notes `now` as last use of what `before` references and `after` does not.
absl::Status LetGo(const Statements& statements, const References& before,
                   const References& after, absl::Time now);

}  // namespace oneagent

#endif  // CACHE_INDEX_STORED_ROWS_H_
