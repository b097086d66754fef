// SQLite as values that clean up after themselves, and the one place where a
// SQLite code becomes a Status. Nothing here knows the index's tables.
//
//   ASSIGN_OR_RETURN(Statement get, Statement::Prepare(db, "SELECT …:id"));
//   Query query(get);              // resets the statement at the end of scope
//   query.Text(":id", id);
//   ASSIGN_OR_RETURN(const bool found, query.Step());
//   if (found) Use(query.TextAt(0));
//
// One thread at a time per Database, and everything made from it.
#ifndef CACHE_INDEX_SQLITE_H_
#define CACHE_INDEX_SQLITE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

struct sqlite3;
struct sqlite3_stmt;

namespace oneagent {

// Status of SQLite result `code`, with the connection's own words when `db` is
// not null. Codes: BUSY, LOCKED, FULL, IOERR, CANTOPEN, PROTOCOL, READONLY, …
// (the file cannot be used now) Unavailable; CORRUPT, NOTADB DataLoss; a
// foreign key's refusal FailedPrecondition; OK and ROW and DONE OK; everything
// else (an error in our SQL, another constraint) Internal.
absl::Status SqliteStatus(sqlite3* db, int code, absl::string_view object);

class Database {
 public:
  struct Options {
    bool read_only = false;
    // Takes no lock and makes no file at all; only for a database that nobody
    // writes. Implies read_only.
    bool immutable = false;
    bool create = false;
    absl::Duration busy_timeout;
  };
  // Opening reads nothing: damage shows at the first statement.
  static absl::StatusOr<Database> Open(const std::string& path,
                                       const Options& options);
  Database(Database&&) = default;
  Database& operator=(Database&&) = default;

  // Statements without parameters and without rows of interest.
  absl::Status Execute(absl::string_view sql);

  // The first column of the first row of e.g. "PRAGMA user_version".
  absl::StatusOr<std::string> QueryText(absl::string_view sql);
  absl::StatusOr<int64_t> QueryInt(absl::string_view sql);

  // The first `size` bytes of the main file, read through the database's own
  // descriptor. (Closing another descriptor of the file would drop the POSIX
  // locks of every connection of this process.) DataLoss when it is shorter.
  absl::StatusOr<std::string> ReadHeader(int size);

  // True when the file is not, or no more, under the path it was opened by.
  absl::StatusOr<bool> HasMoved();

  // Whether closing checkpoints and removes -wal and -shm (SQLite's default),
  // or leaves everything as it is: -wal and -shm go by name, and may belong to
  // another file by then; a damaged file is not to be written to.
  void SetTidyOnClose(bool tidy);

  int64_t changes() const;  // rows changed by the last statement
  sqlite3* handle() const { return handle_.get(); }
  const std::string& path() const { return path_; }

 private:
  struct Closer {
    void operator()(sqlite3* handle) const;
  };
  Database(std::string path, sqlite3* handle);

  std::string path_;
  std::unique_ptr<sqlite3, Closer> handle_;
};

// A prepared statement. Must not outlive its database (SQLite keeps the file
// open until it is gone).
class Statement {
 public:
  Statement() = default;
  static absl::StatusOr<Statement> Prepare(Database& db, const char* sql);

 private:
  friend class Query;
  struct Finalizer {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalizer> handle_;
};

// One run of a prepared statement: bind by name, step, read columns. An error
// in a binding (no such name) comes out of Step.
class Query {
 public:
  explicit Query(const Statement& statement);
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  Query& Text(const char* name, absl::string_view value);
  Query& TextOrNull(const char* name, absl::string_view value);  // "" is NULL
  Query& Int(const char* name, int64_t value);
  // Unix milliseconds; InfinitePast is NULL.
  Query& Time(const char* name, absl::Time value);

  // True: there is a row to read. False: done.
  absl::StatusOr<bool> Step();
  // Steps to the end.
  absl::Status Run();

  // Columns of the current row, from 0.
  std::string TextAt(int column) const;  // NULL is ""
  int64_t IntAt(int column) const;       // NULL is 0
  absl::Time TimeAt(int column) const;   // NULL is InfinitePast

 private:
  int IndexOf(const char* name);
  void Note(int code);

  sqlite3_stmt* const statement_;  // borrowed
  absl::Status bound_;
};

// BEGIN IMMEDIATE … COMMIT, rolled back unless committed. Immediate: a
// transaction that first reads and then writes would get a BUSY in the middle
// that no timeout cures.
class Transaction {
 public:
  static absl::StatusOr<Transaction> Begin(Database& db);
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  absl::Status Commit();

 private:
  explicit Transaction(Database& db) : db_(&db) {}

  Database* db_;  // borrowed; null when there is nothing to roll back
};

}  // namespace oneagent

#endif  // CACHE_INDEX_SQLITE_H_
