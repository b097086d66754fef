#include "cache/index/sqlite.h"

#include <sqlite3.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/posix_status.h"
#include "base/status_macros.h"

namespace oneagent {
namespace {

absl::StatusCode CodeOf(int code) {
  // A RESTRICT is carried out by a trigger of SQLite's own; we have none.
  if (code == SQLITE_CONSTRAINT_FOREIGNKEY ||
      code == SQLITE_CONSTRAINT_TRIGGER) {
    return absl::StatusCode::kFailedPrecondition;
  }
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_NOLFS:
    case SQLITE_NOMEM:
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kInternal;
  }
}

// A path as SQLite's URI takes it: everything that could mean something there
// is written %XX.
std::string FileUri(const std::string& path, absl::string_view query) {
  std::string uri = "file:";
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       (c >= '0' && c <= '9') || c == '/' || c == '.' ||
                       c == '-' || c == '_';
    if (plain) {
      uri.push_back(c);
    } else {
      absl::StrAppend(
          &uri, "%",
          absl::Hex(static_cast<unsigned char>(c), absl::PadSpec::kZeroPad2));
    }
  }
  return absl::StrCat(uri, query);
}

int ToMillis(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

}  // namespace

absl::Status SqliteStatus(sqlite3* db, int code, absl::string_view object) {
  const int primary = code & 0xff;
  if (primary == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) {
    return absl::OkStatus();
  }
  const bool own_words =
      db != nullptr && (sqlite3_errcode(db) & 0xff) == primary;
  std::string cause = own_words ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  // Of these two the words do not say why.
  const bool is_of_the_system =
      own_words && (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN);
  int error = is_of_the_system ? sqlite3_system_errno(db) : 0;
  if (error != 0) cause = std::string(PosixStatus(cause, error).message());
  if (primary == SQLITE_FULL) error = ENOSPC;
  if (primary == SQLITE_READONLY) error = EROFS;
  if (primary == SQLITE_IOERR && error == 0) error = EIO;
  absl::Status status(CodeOf(code), absl::StrCat(object, ": ", cause));
  return error == 0 ? status : WithErrno(std::move(status), error);
}

// ---- Database

void Database::Closer::operator()(sqlite3* handle) const {
  // _v2: statements that are finalized later keep the connection alive.
  sqlite3_close_v2(handle);
}

Database::Database(std::string path, sqlite3* handle)
    : path_(std::move(path)), handle_(handle) {}

absl::StatusOr<Database> Database::Open(const std::string& path,
                                        const Options& options) {
  const bool read_only = options.read_only || options.immutable;
  const int flags = (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
                    (options.create ? SQLITE_OPEN_CREATE : 0) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI |
                    SQLITE_OPEN_EXRESCODE;
  const std::string uri =
      FileUri(path, options.immutable ? "?immutable=1" : "");
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(uri.c_str(), &handle, flags, nullptr);
  Database db(path, handle);
  RETURN_IF_ERROR(SqliteStatus(handle, code, absl::StrCat("open ", path)));
  sqlite3_busy_timeout(handle, ToMillis(options.busy_timeout));
  return db;
}

absl::Status Database::Execute(absl::string_view sql) {
  const int code = sqlite3_exec(handle(), std::string(sql).c_str(), nullptr,
                                nullptr, nullptr);
  return SqliteStatus(handle(), code, path_);
}

absl::StatusOr<std::string> Database::QueryText(absl::string_view sql) {
  ASSIGN_OR_RETURN(const Statement statement,
                   Statement::Prepare(*this, std::string(sql).c_str()));
  Query query(statement);
  ASSIGN_OR_RETURN(const bool found, query.Step());
  return found ? query.TextAt(0) : "";
}

absl::StatusOr<int64_t> Database::QueryInt(absl::string_view sql) {
  ASSIGN_OR_RETURN(const Statement statement,
                   Statement::Prepare(*this, std::string(sql).c_str()));
  Query query(statement);
  ASSIGN_OR_RETURN(const bool found, query.Step());
  return found ? query.IntAt(0) : 0;
}

absl::StatusOr<std::string> Database::ReadHeader(int size) {
  sqlite3_file* file = nullptr;
  int code =
      sqlite3_file_control(handle(), "main", SQLITE_FCNTL_FILE_POINTER, &file);
  RETURN_IF_ERROR(SqliteStatus(nullptr, code, path_));
  if (file == nullptr || file->pMethods == nullptr) {
    return absl::UnavailableError(absl::StrCat(path_, ": not open"));
  }
  std::string header(static_cast<size_t>(size), '\0');
  code = file->pMethods->xRead(file, header.data(), size, 0);
  if (code == SQLITE_IOERR_SHORT_READ) {
    return absl::DataLossError(absl::StrCat(path_, ": file is truncated"));
  }
  RETURN_IF_ERROR(SqliteStatus(nullptr, code, path_));
  return header;
}

absl::StatusOr<bool> Database::HasMoved() {
  int moved = 0;
  const int code =
      sqlite3_file_control(handle(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  RETURN_IF_ERROR(SqliteStatus(nullptr, code, path_));
  return moved != 0;
}

void Database::SetTidyOnClose(bool tidy) {
  sqlite3_db_config(handle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, tidy ? 0 : 1,
                    nullptr);
}

int64_t Database::changes() const { return sqlite3_changes64(handle()); }

// ---- Statement

void Statement::Finalizer::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

absl::StatusOr<Statement> Statement::Prepare(Database& db, const char* sql) {
  sqlite3_stmt* handle = nullptr;
  const int code = sqlite3_prepare_v3(
      db.handle(), sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
  Statement statement;
  statement.handle_.reset(handle);
  RETURN_IF_ERROR(SqliteStatus(db.handle(), code, db.path()));
  return statement;
}

// ---- Query

Query::Query(const Statement& statement)
    : statement_(statement.handle_.get()) {}

Query::~Query() {
  // Reports the error of the last step once more; Step has returned it.
  (void)sqlite3_reset(statement_);
  (void)sqlite3_clear_bindings(statement_);
}

int Query::IndexOf(const char* name) {
  const int index = sqlite3_bind_parameter_index(statement_, name);
  if (index == 0 && bound_.ok()) {
    bound_ = absl::InternalError(
        absl::StrCat("no parameter ", name, " in: ", sqlite3_sql(statement_)));
  }
  return index;
}

void Query::Note(int code) {
  if (bound_.ok()) {
    bound_ = SqliteStatus(sqlite3_db_handle(statement_), code, "bind");
  }
}

Query& Query::Text(const char* name, absl::string_view value) {
  const int index = IndexOf(name);
  if (index == 0) return *this;
  // An empty view may have no data, and a null pointer would bind NULL.
  const char* const data = value.empty() ? "" : value.data();
  Note(sqlite3_bind_text64(statement_, index, data, value.size(),
                           SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

Query& Query::TextOrNull(const char* name, absl::string_view value) {
  if (!value.empty()) return Text(name, value);
  const int index = IndexOf(name);
  if (index != 0) Note(sqlite3_bind_null(statement_, index));
  return *this;
}

Query& Query::Int(const char* name, int64_t value) {
  const int index = IndexOf(name);
  if (index != 0) Note(sqlite3_bind_int64(statement_, index, value));
  return *this;
}

Query& Query::Time(const char* name, absl::Time value) {
  if (value != absl::InfinitePast()) {
    return Int(name, absl::ToUnixMillis(value));
  }
  return TextOrNull(name, "");
}

absl::StatusOr<bool> Query::Step() {
  RETURN_IF_ERROR(bound_);
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  sqlite3* const db = sqlite3_db_handle(statement_);
  const char* const path = sqlite3_db_filename(db, "main");
  return SqliteStatus(db, code, path == nullptr ? "sqlite" : path);
}

absl::Status Query::Run() {
  while (true) {
    ASSIGN_OR_RETURN(const bool row, Step());
    if (!row) return absl::OkStatus();
  }
}

std::string Query::TextAt(int column) const {
  const auto* const text = sqlite3_column_text(statement_, column);
  if (text == nullptr) return "";
  const int size = sqlite3_column_bytes(statement_, column);
  return std::string(reinterpret_cast<const char*>(text),
                     static_cast<size_t>(size));
}

int64_t Query::IntAt(int column) const {
  return sqlite3_column_int64(statement_, column);
}

absl::Time Query::TimeAt(int column) const {
  if (sqlite3_column_type(statement_, column) == SQLITE_NULL) {
    return absl::InfinitePast();
  }
  return absl::FromUnixMillis(IntAt(column));
}

// ---- Transaction

absl::StatusOr<Transaction> Transaction::Begin(Database& db) {
  RETURN_IF_ERROR(db.Execute("BEGIN IMMEDIATE"));
  return Transaction(db);
}

Transaction::Transaction(Transaction&& other) noexcept
    : db_(std::exchange(other.db_, nullptr)) {}

Transaction::~Transaction() {
  // A failed roll-back means that SQLite did it itself (disk full, I/O error).
  if (db_ != nullptr) (void)db_->Execute("ROLLBACK");
}

absl::Status Transaction::Commit() {
  RETURN_IF_ERROR(db_->Execute("COMMIT"));
  db_ = nullptr;
  return absl::OkStatus();
}

}  // namespace oneagent
