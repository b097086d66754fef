// The index's one connection: runs transactions on the file that is at the
// path now, and sees to it that there is one (index.h, "guarded replacement").
//
// Thread-safe. Lock order: the gate, then the guard (flock), then SQLite's
// locks.
#ifndef CACHE_INDEX_CONNECTION_H_
#define CACHE_INDEX_CONNECTION_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cache/index/file_guard.h"
#include "cache/index/gate.h"
#include "cache/index/index.h"
#include "cache/index/index_file.h"
#include "cache/index/layout.h"
#include "cache/index/sqlite.h"
#include "cache/index/statements.h"

namespace oneagent {

class Index::Connection {
 public:
  // `options` is borrowed.
  explicit Connection(const Options& options);
  ~Connection();

  absl::Status Open();

  // What a transaction has to work with.
  struct Session {
    Database& db;
    const Statements& sql;
    uint64_t generation;  // grows by one with every file that is opened
  };
  // It may run twice, the second time on another file, so it must begin by
  // overwriting what it fills.
  using Body = absl::FunctionRef<absl::Status(const Session& session)>;

  // For one statement that reads: a consistent snapshot without BEGIN.
  absl::Status Read(Body body);
  // BEGIN IMMEDIATE, `body`, COMMIT; rolled back when `body` fails.
  absl::Status Write(Body body);

 private:
  enum class Access { kRead, kWrite };
  absl::Status Run(Access access, Body body);
  // On the file that takes a broken one's place, too.
  absl::Status RunThrough(Access access, Body body)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(gate_);
  absl::Status RunOnce(Access access, Body body)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(gate_);
  // Under the shared guard.
  absl::Status RunAttached(Access access, Body body)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(gate_);
  // Returns OK with the shared guard held and file_ the healthy file at the
  // path; any error without the guard.
  absl::Status Attach() ABSL_EXCLUSIVE_LOCKS_REQUIRED(gate_);
  // Under the exclusive guard (read-only: the shared one).
  absl::Status Reopen() ABSL_EXCLUSIVE_LOCKS_REQUIRED(gate_);
  absl::Status Replace(const std::string& cause)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(gate_);
  void CloseFile() ABSL_EXCLUSIVE_LOCKS_REQUIRED(gate_);
  // Aborted when somebody replaces the file meanwhile.
  absl::Status OpenFile() ABSL_EXCLUSIVE_LOCKS_REQUIRED(gate_);
  // Is file_ the healthy one at the path? Else notes what is wrong with it.
  bool IsFileCurrent() ABSL_EXCLUSIVE_LOCKS_REQUIRED(gate_);

  // Constant after construction.
  const Options& options_;
  const Layout layout_;
  const IndexFile::Options file_options_;

  Gate gate_;
  FileGuard guard_ ABSL_GUARDED_BY(gate_);
  std::unique_ptr<IndexFile> file_ ABSL_GUARDED_BY(gate_);
  // What was found wrong with file_; empty: nothing.
  std::string damage_ ABSL_GUARDED_BY(gate_);
  uint64_t generation_ ABSL_GUARDED_BY(gate_) = 0;
};

}  // namespace oneagent

#endif  // CACHE_INDEX_CONNECTION_H_
