#include "cache/index/sqlite.h"

#include <sqlite3.h>

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "cache/index/statements.h"
#include "cache/index/stored_rows.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/leak_check.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

using testing::HasSubstr;

class SqliteTest : public testing::Test {
 protected:
  absl::StatusOr<Database> Open() {
    return Database::Open(dir_.Path("test #1?.db"),
                          {.create = true, .busy_timeout = absl::Seconds(1)});
  }
  LeakCheck leaks_;
  TempDir dir_;
};

TEST_F(SqliteTest, ValuesComeBackAsTheyWere) {
  ASSERT_OK_AND_ASSIGN(Database db, Open());
  ASSERT_OK(db.Execute(
      "CREATE TABLE t (text TEXT, absent TEXT, number INTEGER, at INTEGER, "
      "never INTEGER) STRICT"));
  const std::string odd("a'\"\0\xff", 5);
  const int64_t least = std::numeric_limits<int64_t>::min();
  const absl::Time at = absl::FromUnixMillis(-5);
  {
    ASSERT_OK_AND_ASSIGN(
        const Statement insert,
        Statement::Prepare(
            db, "INSERT INTO t VALUES (:text, :absent, :number, :at, :never)"));
    Query query(insert);
    query.Text(":text", odd)
        .TextOrNull(":absent", "")
        .Int(":number", least)
        .Time(":at", at)
        .Time(":never", absl::InfinitePast());
    ASSERT_OK(query.Run());
    EXPECT_EQ(db.changes(), 1);
  }
  ASSERT_OK_AND_ASSIGN(const Statement select,
                       Statement::Prepare(db, "SELECT * FROM t"));
  Query query(select);
  ASSERT_THAT(query.Step(), IsOkAndHolds(true));
  EXPECT_EQ(query.TextAt(0), odd);
  EXPECT_EQ(query.TextAt(1), "");
  EXPECT_EQ(query.IntAt(2), least);
  EXPECT_EQ(query.TimeAt(3), at);
  EXPECT_EQ(query.TimeAt(4), absl::InfinitePast());
  EXPECT_THAT(query.Step(), IsOkAndHolds(false));
}

TEST_F(SqliteTest, MisnamedParameterIsAnErrorOfStep) {
  ASSERT_OK_AND_ASSIGN(Database db, Open());
  ASSERT_OK_AND_ASSIGN(const Statement select,
                       Statement::Prepare(db, "SELECT :right"));
  Query query(select);
  query.Int(":right", 1).Int(":wrong", 1);
  EXPECT_THAT(query.Step(),
              StatusIs(absl::StatusCode::kInternal, HasSubstr(":wrong")));
}

TEST_F(SqliteTest, BindingsDoNotOutliveTheirQuery) {
  ASSERT_OK_AND_ASSIGN(Database db, Open());
  ASSERT_OK_AND_ASSIGN(const Statement select,
                       Statement::Prepare(db, "SELECT :a"));
  {
    Query query(select);
    ASSERT_THAT(query.Int(":a", 7).Step(), IsOkAndHolds(true));
    EXPECT_EQ(query.IntAt(0), 7);
  }
  Query query(select);
  ASSERT_THAT(query.Step(), IsOkAndHolds(true));
  EXPECT_EQ(query.IntAt(0), 0);
}

TEST_F(SqliteTest, TransactionIsRolledBackUnlessCommitted) {
  ASSERT_OK_AND_ASSIGN(Database db, Open());
  ASSERT_OK(db.Execute("CREATE TABLE t (x INTEGER)"));
  {
    ASSERT_OK_AND_ASSIGN(const Transaction dropped, Transaction::Begin(db));
    ASSERT_OK(db.Execute("INSERT INTO t VALUES (1)"));
  }
  EXPECT_THAT(db.QueryInt("SELECT count(*) FROM t"), IsOkAndHolds(0));
  {
    ASSERT_OK_AND_ASSIGN(Transaction kept, Transaction::Begin(db));
    ASSERT_OK(db.Execute("INSERT INTO t VALUES (1)"));
    ASSERT_OK(kept.Commit());
  }
  EXPECT_THAT(db.QueryInt("SELECT count(*) FROM t"), IsOkAndHolds(1));
}

TEST_F(SqliteTest, ReadOnlyDatabaseRefusesWrites) {
  ASSERT_OK_AND_ASSIGN(Database db, Open());
  ASSERT_OK(db.Execute("CREATE TABLE t (x INTEGER)"));
  ASSERT_OK_AND_ASSIGN(
      Database reader,
      Database::Open(db.path(),
                     {.read_only = true, .busy_timeout = absl::Seconds(1)}));
  EXPECT_THAT(reader.Execute("DELETE FROM t"),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Database::Open(dir_.Path("missing.db"),
                             {.busy_timeout = absl::Seconds(1)}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("missing")));
}

TEST_F(SqliteTest, CodesAreMappedInOnePlace) {
  struct Case {
    int code;
    absl::StatusCode want;
  };
  const Case kCases[] = {
      {SQLITE_BUSY, absl::StatusCode::kUnavailable},
      {SQLITE_BUSY_SNAPSHOT, absl::StatusCode::kUnavailable},
      {SQLITE_FULL, absl::StatusCode::kUnavailable},
      {SQLITE_IOERR_FSYNC, absl::StatusCode::kUnavailable},
      {SQLITE_CANTOPEN, absl::StatusCode::kUnavailable},
      {SQLITE_CORRUPT_INDEX, absl::StatusCode::kDataLoss},
      {SQLITE_NOTADB, absl::StatusCode::kDataLoss},
      {SQLITE_CONSTRAINT_FOREIGNKEY, absl::StatusCode::kFailedPrecondition},
      {SQLITE_CONSTRAINT_TRIGGER, absl::StatusCode::kFailedPrecondition},
      {SQLITE_CONSTRAINT_CHECK, absl::StatusCode::kInternal},
      {SQLITE_ERROR, absl::StatusCode::kInternal},
      {SQLITE_OK, absl::StatusCode::kOk},
      {SQLITE_DONE, absl::StatusCode::kOk},
  };
  for (const Case& test : kCases) {
    EXPECT_EQ(SqliteStatus(nullptr, test.code, "index.db").code(), test.want)
        << test.code;
  }
  EXPECT_EQ(SqliteStatus(nullptr, SQLITE_NOTADB, "index.db").message(),
            "index.db: file is not a database");
}

class MigrateTest : public SqliteTest {};

TEST_F(MigrateTest, VersionZeroGetsEveryMigrationInOrder) {
  ASSERT_OK_AND_ASSIGN(Database db, Open());
  ASSERT_OK(Migrate(db, Migrations()));
  EXPECT_THAT(db.QueryInt("PRAGMA user_version"),
              IsOkAndHolds(static_cast<int64_t>(Migrations().size())));
  EXPECT_THAT(db.QueryInt("PRAGMA application_id"),
              IsOkAndHolds(kApplicationId));
  EXPECT_OK(Statements::Prepare(db));
  EXPECT_OK(Migrate(db, Migrations()));
}

TEST_F(MigrateTest, OlderFileGetsOnlyWhatItLacks) {
  const std::vector<const char*> first = {
      "CREATE TABLE t (x INTEGER); INSERT INTO t VALUES (1);"
      "PRAGMA user_version = 1"};
  std::vector<const char*> both = first;
  both.push_back("UPDATE t SET x = x + 1; PRAGMA user_version = 2");
  ASSERT_OK_AND_ASSIGN(Database db, Open());
  ASSERT_OK(Migrate(db, first));
  ASSERT_OK(Migrate(db, both));
  ASSERT_OK(Migrate(db, both));
  EXPECT_THAT(db.QueryInt("SELECT x FROM t"), IsOkAndHolds(2));
  EXPECT_THAT(Migrate(db, first),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("version 2 is newer")));
}

TEST_F(MigrateTest, FailingMigrationLeavesTheVersionBeforeIt) {
  const std::vector<const char*> broken = {
      "CREATE TABLE t (x INTEGER); PRAGMA user_version = 1",
      "INSERT INTO t VALUES (1); PRAGMA user_version = 2; SELECT nonsense"};
  ASSERT_OK_AND_ASSIGN(Database db, Open());
  EXPECT_THAT(Migrate(db, broken),
              StatusIs(absl::StatusCode::kInternal,
                       HasSubstr("migrate to schema version 2")));
  EXPECT_THAT(db.QueryInt("PRAGMA user_version"), IsOkAndHolds(1));
  EXPECT_THAT(db.QueryInt("SELECT count(*) FROM t"), IsOkAndHolds(0));
}

TEST_F(MigrateTest, ForeignKeysThemselvesRefuse) {
  ASSERT_OK_AND_ASSIGN(Database db, Open());
  ASSERT_OK(db.Execute("PRAGMA foreign_keys = ON"));
  ASSERT_OK(Migrate(db, Migrations()));
  ASSERT_OK(db.Execute(
      "INSERT INTO agents VALUES ('a', '', '', '', '', '', '', 'ready', 0, 0, "
      "NULL, NULL);"
      "INSERT INTO volumes VALUES ('v', '', '', '', '', 'app', 0, '', "
      "'mounting', 'a', NULL, '', '', NULL, '', 0, NULL, 0, '', 0)"));
  EXPECT_THAT(db.Execute("DELETE FROM agents"),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(db.Execute("UPDATE volumes SET agent_id = 'nobody'"),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_OK(db.Execute("UPDATE volumes SET agent_id = NULL"));
  EXPECT_OK(db.Execute("DELETE FROM agents"));
}

// What the first release left: an index of its own version, with a volume that
// was published empty, one that waits, and a notice.
TEST_F(MigrateTest, IndexOfTheFirstReleaseIsUpgraded) {
  ASSERT_OK_AND_ASSIGN(Database db, Open());
  ASSERT_OK(Migrate(db, Migrations().first(1)));
  ASSERT_OK(db.Execute(
      "INSERT INTO volumes VALUES ('v', 'p', 'n', 'u', 'dk', 'app', 0, '/t', "
      "'empty', NULL, NULL, '', 'boot', 5, 'no agent', 3, 2);"
      "INSERT INTO notices VALUES (1, 'v', 'p', 'n', 'u', 'dk', 'no agent', "
      "5)"));
  ASSERT_OK(Migrate(db, Migrations()));
  ASSERT_OK_AND_ASSIGN(const Statements statements, Statements::Prepare(db));
  ASSERT_OK_AND_ASSIGN(const std::optional<VolumeRow> row,
                       LoadVolume(statements, "v"));
  ASSERT_TRUE(row.has_value());
  EXPECT_EQ(row->reason, "no agent");
  EXPECT_EQ(row->attempts, 3);
  EXPECT_EQ(row->cause, Cause::kNone);
  EXPECT_EQ(row->first_failure_uptime, absl::ZeroDuration());
  EXPECT_FALSE(row->covers);
  EXPECT_THAT(AllRows(statements.list_notices, &NoticeAt),
              IsOkAndHolds(testing::SizeIs(1)));
}

}  // namespace
}  // namespace oneagent
