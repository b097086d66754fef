// One opened index file: checked, configured, its statements prepared. It
// knows whether it is still the file at its path; who replaces files and when
// is the connection's and the rebuild's business.
//
// One thread at a time; call under the guard (index.h).
#ifndef CACHE_INDEX_INDEX_FILE_H_
#define CACHE_INDEX_INDEX_FILE_H_

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cache/index/sqlite.h"
#include "cache/index/statements.h"

namespace oneagent {

// Which file a path names; all zero: none.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;

  bool operator==(const FileIdentity&) const = default;
};
FileIdentity IdentityOf(const std::string& path);

class IndexFile {
 public:
  struct Options {
    bool read_only = false;
    absl::Duration busy_timeout;
  };

  // Opens the file at `path` and migrates it (under the exclusive guard), or
  // with read_only opens it as it is and makes no file.
  // Errors: NotFound; DataLoss when it is no healthy index (the message says
  // what is wrong); FailedPrecondition when its schema is newer than this
  // program's, or older and read_only; Unavailable when it, or a file beside
  // it, is no regular file, or cannot be used for another reason.
  static absl::StatusOr<std::unique_ptr<IndexFile>> Open(
      const std::string& path, const Options& options);

  // Makes an index without rows; there must be nothing at `path`.
  static absl::StatusOr<std::unique_ptr<IndexFile>> Create(
      const std::string& path, const Options& options);

  // OK while this is the file at the path, -wal and -shm are those that it
  // works with, and its header is an index's. Four system calls: made before
  // every transaction. A connection to a file that was replaced or overwritten
  // goes on working without an error of SQLite's and would delete leased
  // agents. Aborted: another file is there; DataLoss: this one is damaged.
  absl::Status CheckCurrent();
  // The first half of CheckCurrent.
  bool IsAtPath() const;

  Database& db() { return db_; }
  const Statements& statements() const { return statements_; }

 private:
  IndexFile(Database db, bool immutable)
      : db_(std::move(db)), immutable_(immutable) {}

  static absl::StatusOr<std::unique_ptr<IndexFile>> OpenUnchecked(
      const std::string& path, const Options& options);
  absl::Status Configure(const Options& options);
  absl::Status CheckIdentity();
  absl::Status CheckHeader();
  absl::Status CheckContent();
  absl::Status Finish();
  absl::Status CheckLog() const;

  Database db_;
  const bool immutable_;
  FileIdentity identity_;
  // Of -wal and -shm. While a connection is open nobody but a stranger removes
  // them, and then two processes write into two logs of one file.
  FileIdentity log_;
  FileIdentity shared_memory_;
  Statements statements_;  // after db_: gone before it
};

}  // namespace oneagent

#endif  // CACHE_INDEX_INDEX_FILE_H_
