// All SQL of the index: its schema as an ordered list of migrations, and every
// statement, prepared once per connection. Preparing them also proves that the
// file's schema is the one this program knows.
#ifndef CACHE_INDEX_STATEMENTS_H_
#define CACHE_INDEX_STATEMENTS_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cache/index/sqlite.h"

namespace oneagent {

// "OACI" in the file's header: tells an index from any other SQLite file.
inline constexpr int64_t kApplicationId = 0x4f414349;

// Migration i leads from user_version i to i + 1 (it sets user_version itself)
// and is one transaction. Never change one that was released: add another.
std::span<const char* const> Migrations();

// Brings `db` to the version at the end of `migrations`. A failing migration
// leaves the version before it. FailedPrecondition when the file is newer.
absl::Status Migrate(Database& db, std::span<const char* const> migrations);

struct Statements {
  static absl::StatusOr<Statements> Prepare(Database& db);

  Statement get_meta;
  Statement put_meta;
  Statement data_version;

  Statement get_volume;
  Statement list_volumes;
  Statement put_volume;
  Statement mark_mounted;
  Statement delete_volume;
  Statement pick_lease;

  Statement get_agent;
  Statement list_agents;
  Statement put_agent;
  Statement put_missing_agent;
  Statement touch_agent;
  Statement set_agent_state;
  Statement delete_unused_agent;

  Statement list_configs;
  Statement put_config;
  Statement put_missing_config;
  Statement touch_config;
  Statement set_config_state;
  Statement delete_unused_config;

  Statement get_tenant;
  Statement list_tenants;
  Statement put_tenant;
  Statement delete_tenant;

  Statement put_notice;
  Statement trim_notices;
  Statement list_notices;
  Statement delete_notices;
  Statement delete_notice;
  Statement start_notices;
};

}  // namespace oneagent

#endif  // CACHE_INDEX_STATEMENTS_H_
