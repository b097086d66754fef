#include "cache/index/connection.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/call_deadline.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "cache/index/rebuild.h"

namespace oneagent {
namespace {

// How often a file may be replaced between the exclusive and the shared guard,
// or removed while it is being opened, before the call gives up.
constexpr int kRounds = 20;

// An answer that took the whole timeout: the file is locked, or its disk hangs.
bool WaitedInVain(const absl::Status& status,
                  std::chrono::steady_clock::duration took,
                  absl::Duration busy_timeout) {
  return absl::IsUnavailable(status) && absl::FromChrono(took) >= busy_timeout;
}

// Codes that Open promises pass; whatever else went wrong with the file means
// that it cannot be used now.
absl::Status Promised(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kDataLoss:
      return status;
    default:
      return WithCode(status, absl::StatusCode::kUnavailable);
  }
}

}  // namespace

Index::Connection::Connection(const Options& options)
    : options_(options),
      layout_(options.data_dir),
      file_options_{.read_only = options.read_only,
                    .busy_timeout = options.busy_timeout},
      gate_(options.busy_pause),
      guard_(layout_.IndexLock(),
             options.read_only ? FileGuard::Missing::kGoWithout
                               : FileGuard::Missing::kCreate,
             options.busy_timeout) {}

Index::Connection::~Connection() {
  gate_.EnterUnchecked();
  CloseFile();
  gate_.Leave();
}

void Index::Connection::CloseFile() {
  if (file_ == nullptr) return;
  // SQLite's last close checkpoints and removes -wal and -shm by name: only
  // under the guard, and only while they are this file's.
  const bool guarded = guard_.Lock(FileGuard::Mode::kShared).ok();
  if (!guarded || !file_->CheckCurrent().ok()) {
    file_->db().SetTidyOnClose(/*tidy=*/false);
  }
  file_.reset();
  guard_.Unlock();
}

absl::Status Index::Connection::Open() {
  gate_.EnterUnchecked();
  const absl::Status attached = Attach();
  if (attached.ok()) guard_.Unlock();
  gate_.Leave();
  if (options_.read_only) return Promised(attached);
  // A daemon replaces what is missing or damaged: failing in that is no
  // property of the file.
  if (absl::IsFailedPrecondition(attached)) return attached;
  return WithCode(attached, absl::StatusCode::kUnavailable);
}

absl::Status Index::Connection::Read(Body body) {
  return Run(Access::kRead, body);
}

absl::Status Index::Connection::Write(Body body) {
  if (options_.read_only) {
    return absl::FailedPreconditionError(
        absl::StrCat(layout_.IndexFile(), ": opened read-only"));
  }
  return Run(Access::kWrite, body);
}

absl::Status Index::Connection::Run(Access access, Body body) {
  using std::chrono::steady_clock;
  if (!gate_.Enter(CallDeadline::Left())) return gate_.Refusal();
  const steady_clock::time_point begin = steady_clock::now();
  const absl::Status status = RunThrough(access, body);
  if (WaitedInVain(status, steady_clock::now() - begin,
                   options_.busy_timeout)) {
    gate_.Shut(status);
  } else {
    gate_.Open();
  }
  gate_.Leave();
  return status;
}

absl::Status Index::Connection::RunThrough(Access access, Body body) {
  absl::Status status = RunOnce(access, body);
  if (!absl::IsDataLoss(status)) return status;
  // The file broke under us: once more, on the one that takes its place.
  damage_ = std::string(status.message());
  if (!options_.read_only) status = RunOnce(access, body);
  if (!absl::IsDataLoss(status)) return status;
  return WithCode(status, absl::StatusCode::kUnavailable);
}

absl::Status Index::Connection::RunOnce(Access access, Body body) {
  RETURN_IF_ERROR(WithCode(Attach(), absl::StatusCode::kUnavailable));
  const absl::Status status = RunAttached(access, body);
  guard_.Unlock();
  return status;
}

absl::Status Index::Connection::RunAttached(Access access, Body body) {
  const Session session{
      .db = file_->db(), .sql = file_->statements(), .generation = generation_};
  if (access == Access::kRead) return body(session);
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(session.db));
  RETURN_IF_ERROR(body(session));
  return transaction.Commit();
}

absl::Status Index::Connection::Attach() {
  for (int round = 0; round < kRounds; ++round) {
    RETURN_IF_ERROR(guard_.Lock(FileGuard::Mode::kShared));
    if (IsFileCurrent()) return absl::OkStatus();
    if (!options_.read_only) {
      // Not converted: flock would drop the shared lock before it waits, too.
      guard_.Unlock();
      RETURN_IF_ERROR(guard_.Lock(FileGuard::Mode::kExclusive));
    }
    const absl::Status reopened = Reopen();
    guard_.Unlock();
    // By who takes no guard: there is another file now, or none.
    if (absl::IsAborted(reopened)) continue;
    RETURN_IF_ERROR(reopened);
  }
  return absl::UnavailableError(
      absl::StrCat(layout_.IndexFile(), ": is replaced again and again"));
}

bool Index::Connection::IsFileCurrent() {
  if (file_ == nullptr || !damage_.empty()) return false;
  const absl::Status status = file_->CheckCurrent();
  if (absl::IsDataLoss(status)) damage_ = std::string(status.message());
  return status.ok();
}

absl::Status Index::Connection::Reopen() {
  // What SQLite said counts against the file it was said of, not against one
  // that another process has put in its place.
  const bool same_file = file_ != nullptr && file_->IsAtPath();
  const std::string damage = same_file ? damage_ : "";
  damage_.clear();
  if (file_ != nullptr) file_->db().SetTidyOnClose(/*tidy=*/false);
  file_.reset();
  if (!damage.empty() && !options_.read_only) return Replace(damage);
  const absl::Status opened = OpenFile();
  if (options_.read_only) return opened;
  if (absl::IsNotFound(opened)) {
    return Replace(absl::StrCat(layout_.IndexFile(), ": is missing"));
  }
  if (absl::IsDataLoss(opened)) return Replace(std::string(opened.message()));
  return opened;
}

absl::Status Index::Connection::Replace(const std::string& cause) {
  ASSIGN_OR_RETURN(const Rebuilt rebuilt,
                   RebuildIndex(layout_, file_options_, absl::Now()));
  RETURN_IF_ERROR(OpenFile());
  const bool first_start = rebuilt.set_aside.empty() && rebuilt.records == 0 &&
                           rebuilt.skipped == 0 && !rebuilt.had_volumes;
  if (first_start || !options_.on_rebuilt) return absl::OkStatus();
  std::string what = cause;
  if (rebuilt.skipped > 0) {
    absl::StrAppend(&what, "; records skipped: ", rebuilt.skipped, ", first ",
                    rebuilt.first_skipped);
  }
  options_.on_rebuilt(rebuilt.set_aside, what);
  return absl::OkStatus();
}

absl::Status Index::Connection::OpenFile() {
  const std::string path = layout_.IndexFile();
  const FileIdentity before = IdentityOf(path);
  absl::StatusOr<std::unique_ptr<IndexFile>> file =
      IndexFile::Open(path, file_options_);
  // What is wrong with a file that is gone by now is of no interest.
  if (!file.ok() && IdentityOf(path) != before) {
    return absl::AbortedError(
        absl::StrCat(path, ": was replaced while it was being opened"));
  }
  if (!file.ok()) return file.status();
  file_ = *std::move(file);
  ++generation_;
  return absl::OkStatus();
}

}  // namespace oneagent
