#include "cache/index/index_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/failpoint.h"
#include "base/posix_status.h"
#include "base/status_macros.h"

namespace oneagent {
namespace {

// SQLite's file format, section 1.3: the magic string, and the big-endian
// application id. Both are in the main file from the start (an index is made
// under another name and closed, hence checkpointed, before it gets its own),
// and a checkpoint writes them again as they were.
constexpr char kMagic[] = "SQLite format 3";  // with its NUL
constexpr int kApplicationIdOffset = 68;
constexpr int kHeaderSize = 72;

int64_t BigEndian32(absl::string_view bytes) {
  int64_t value = 0;
  for (const char c : bytes.substr(0, 4)) {
    value = value << 8 | static_cast<unsigned char>(c);
  }
  return value;
}

absl::Status Damaged(const Database& db, absl::string_view cause) {
  return absl::DataLossError(absl::StrCat(db.path(), ": ", cause));
}

absl::Status CheckKind(const std::string& path, mode_t mode) {
  if (S_ISREG(mode)) return absl::OkStatus();
  if (S_ISDIR(mode)) {
    return absl::UnavailableError(
        absl::StrCat(path, ": is a directory; move it away"));
  }
  if (S_ISLNK(mode)) {
    return absl::UnavailableError(
        absl::StrCat(path, ": is a symbolic link; move it away"));
  }
  return absl::UnavailableError(
      absl::StrCat(path, ": is a FIFO, socket or device; move it away"));
}

// Looks before SQLite does, which follows links, waits for the other end of a
// FIFO, reads where it may not write, and of all else says only that it cannot
// open the file. NotFound; Unavailable with the cause.
absl::Status CheckOpenable(const std::string& path, bool read_only) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return PosixStatus(path, errno);
  RETURN_IF_ERROR(CheckKind(path, info.st_mode));
  // Not opened: closing it would drop SQLite's locks on it (README.md).
  if (faccessat(AT_FDCWD, path.c_str(), read_only ? R_OK : R_OK | W_OK,
                AT_EACCESS) != 0) {
    return WithCode(PosixStatus(path, errno), absl::StatusCode::kUnavailable);
  }
  return absl::OkStatus();
}

// The same for the files that SQLite opens beside it, if they are there.
absl::Status CheckCompanions(const std::string& path, bool read_only) {
  for (const char* const suffix : {"-wal", "-shm", "-journal"}) {
    const absl::Status status =
        CheckOpenable(absl::StrCat(path, suffix), read_only);
    if (!status.ok() && !absl::IsNotFound(status)) return status;
  }
  return absl::OkStatus();
}

}  // namespace

FileIdentity IdentityOf(const std::string& path) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return {};
  return {.device = info.st_dev, .inode = info.st_ino};
}

absl::StatusOr<std::unique_ptr<IndexFile>> IndexFile::Open(
    const std::string& path, const Options& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<IndexFile> file,
                   OpenUnchecked(path, options));
  RETURN_IF_ERROR(file->CheckIdentity());
  // The versions first: nothing is written to a file that is not ours, or of a
  // newer program.
  ASSIGN_OR_RETURN(const int64_t application,
                   file->db_.QueryInt("PRAGMA application_id"));
  if (application != kApplicationId) {
    return Damaged(file->db_, "is not an index of this program");
  }
  ASSIGN_OR_RETURN(const int64_t version,
                   file->db_.QueryInt("PRAGMA user_version"));
  const auto newest = static_cast<int64_t>(Migrations().size());
  if (version == 0) return Damaged(file->db_, "has no tables");
  if (version > newest || (version < newest && options.read_only)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": schema version ", version,
                     version > newest ? " is newer" : " is older",
                     " than this program's ", newest));
  }
  RETURN_IF_ERROR(file->Configure(options));
  RETURN_IF_ERROR(file->CheckContent());
  if (!options.read_only) RETURN_IF_ERROR(Migrate(file->db_, Migrations()));
  RETURN_IF_ERROR(file->Finish());
  file->db_.SetTidyOnClose(/*tidy=*/true);
  return file;
}

absl::StatusOr<std::unique_ptr<IndexFile>> IndexFile::Create(
    const std::string& path, const Options& options) {
  // SQLite would make it 0644; -wal and -shm take the mode of the file.
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.ok()) return PosixStatus(absl::StrCat("create ", path), errno);
  fd.Reset();
  ASSIGN_OR_RETURN(std::unique_ptr<IndexFile> file,
                   OpenUnchecked(path, options));
  RETURN_IF_ERROR(file->CheckIdentity());
  RETURN_IF_ERROR(file->Configure(options));
  RETURN_IF_ERROR(Migrate(file->db_, Migrations()));
  ASSIGN_OR_RETURN(file->statements_, Statements::Prepare(file->db_));
  file->db_.SetTidyOnClose(/*tidy=*/true);
  return file;
}

absl::StatusOr<std::unique_ptr<IndexFile>> IndexFile::OpenUnchecked(
    const std::string& path, const Options& options) {
  RETURN_IF_ERROR(CheckOpenable(path, options.read_only));
  RETURN_IF_ERROR(CheckCompanions(path, options.read_only));
  // A connection to a WAL database makes -wal and -shm. Where there is no
  // -wal, nobody has the file open, and it can be read without them.
  ASSIGN_OR_RETURN(const bool in_use, PathExists(absl::StrCat(path, "-wal")));
  const bool immutable = options.read_only && !in_use;
  ASSIGN_OR_RETURN(
      Database db,
      Database::Open(path, {.read_only = options.read_only,
                            .immutable = immutable,
                            .busy_timeout = options.busy_timeout}));
  // Until it has proved healthy, it stays as it was found.
  db.SetTidyOnClose(/*tidy=*/false);
  Failpoint("index:opened");
  std::unique_ptr<IndexFile> file(new IndexFile(std::move(db), immutable));
  return file;
}

absl::Status IndexFile::Configure(const Options& options) {
  RETURN_IF_ERROR(
      db_.Execute("PRAGMA foreign_keys = ON;"
                  "PRAGMA synchronous = NORMAL;"
                  "PRAGMA trusted_schema = OFF;"
                  "PRAGMA temp_store = MEMORY;"));
  // A library built without them takes the pragma and goes on without leases.
  ASSIGN_OR_RETURN(const int64_t enforced, db_.QueryInt("PRAGMA foreign_keys"));
  if (enforced != 1) {
    return absl::UnavailableError(absl::StrCat(
        db_.path(), ": this SQLite does not enforce foreign keys"));
  }
  if (options.read_only) return db_.Execute("PRAGMA query_only = ON");
  ASSIGN_OR_RETURN(const std::string mode,
                   db_.QueryText("PRAGMA journal_mode = WAL"));
  if (mode != "wal") {
    return absl::UnavailableError(
        absl::StrCat(db_.path(), ": journal mode is ", mode, ", not wal"));
  }
  return absl::OkStatus();
}

absl::Status IndexFile::CheckIdentity() {
  struct stat info;
  if (lstat(db_.path().c_str(), &info) != 0) {
    return PosixStatus(db_.path(), errno);
  }
  identity_ = {.device = info.st_dev, .inode = info.st_ino};
  ASSIGN_OR_RETURN(const bool moved, db_.HasMoved());
  if (!moved) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat(db_.path(), ": was replaced while it was being opened"));
}

absl::Status IndexFile::CheckContent() {
  ASSIGN_OR_RETURN(const std::string finding,
                   db_.QueryText("PRAGMA quick_check(1)"));
  if (finding != "ok") return Damaged(db_, finding);
  ASSIGN_OR_RETURN(const std::string table,
                   db_.QueryText("PRAGMA foreign_key_check"));
  if (table.empty()) return absl::OkStatus();
  return Damaged(db_, absl::StrCat("dangling reference in table ", table));
}

absl::Status IndexFile::Finish() {
  absl::StatusOr<Statements> statements = Statements::Prepare(db_);
  if (absl::IsInternal(statements.status())) {
    // An error in the SQL, which was right for this schema version.
    return WithCode(statements.status(), absl::StatusCode::kDataLoss);
  }
  if (!statements.ok()) return statements.status();
  statements_ = *std::move(statements);
  // Reading has made them, where they are used.
  log_ = IdentityOf(absl::StrCat(db_.path(), "-wal"));
  shared_memory_ = IdentityOf(absl::StrCat(db_.path(), "-shm"));
  return CheckHeader();
}

bool IndexFile::IsAtPath() const { return IdentityOf(db_.path()) == identity_; }

absl::Status IndexFile::CheckLog() const {
  const bool is_same =
      IdentityOf(absl::StrCat(db_.path(), "-wal")) == log_ &&
      IdentityOf(absl::StrCat(db_.path(), "-shm")) == shared_memory_;
  return is_same ? absl::OkStatus()
                 : Damaged(db_, "its -wal or -shm was removed");
}

absl::Status IndexFile::CheckHeader() {
  ASSIGN_OR_RETURN(const std::string header, db_.ReadHeader(kHeaderSize));
  const absl::string_view view = header;
  if (view.substr(0, sizeof(kMagic)) !=
      absl::string_view(kMagic, sizeof(kMagic))) {
    return Damaged(db_, "file is not a database");
  }
  if (BigEndian32(view.substr(kApplicationIdOffset)) != kApplicationId) {
    return Damaged(db_, "is not an index of this program");
  }
  return absl::OkStatus();
}

absl::Status IndexFile::CheckCurrent() {
  if (!IsAtPath()) {
    return absl::AbortedError(absl::StrCat(db_.path(), ": was replaced"));
  }
  if (immutable_) {
    ASSIGN_OR_RETURN(const bool in_use,
                     PathExists(absl::StrCat(db_.path(), "-wal")));
    if (in_use) {
      return absl::AbortedError(absl::StrCat(db_.path(), ": is written to"));
    }
  } else {
    RETURN_IF_ERROR(CheckLog());
  }
  return CheckHeader();
}

}  // namespace oneagent
