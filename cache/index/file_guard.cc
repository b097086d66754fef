#include "cache/index/file_guard.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/posix_status.h"
#include "base/status_macros.h"

namespace oneagent {
namespace {

using std::chrono::nanoseconds;

constexpr nanoseconds kFirstPause = std::chrono::microseconds(100);
constexpr nanoseconds kLongestPause = std::chrono::milliseconds(5);

}  // namespace

FileGuard::FileGuard(std::string path, Missing missing, absl::Duration timeout)
    : path_(std::move(path)), missing_(missing), timeout_(timeout) {}

absl::Status FileGuard::OpenFile() {
  // Who may not write the directory may still lock: flock needs no write mode.
  const int flags = missing_ == Missing::kCreate ? O_RDWR | O_CREAT : O_RDONLY;
  fd_.Reset(
      open(path_.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (fd_.ok()) return absl::OkStatus();
  const int error = errno;
  if (error == ENOENT && missing_ == Missing::kGoWithout) {
    return absl::OkStatus();
  }
  return WithCode(PosixStatus(path_, error), absl::StatusCode::kUnavailable);
}

bool FileGuard::IsAtPath() const {
  struct stat held;
  struct stat found;
  return fstat(fd_.get(), &held) == 0 && stat(path_.c_str(), &found) == 0 &&
         held.st_dev == found.st_dev && held.st_ino == found.st_ino;
}

absl::Status FileGuard::Lock(Mode mode) {
  const int operation = (mode == Mode::kShared ? LOCK_SH : LOCK_EX) | LOCK_NB;
  // Counted in pauses, as SQLite counts its own: while a process that is short
  // of CPU is not run, nobody has looked whether the lock is free.
  nanoseconds left = absl::ToChronoNanoseconds(timeout_);
  nanoseconds pause = kFirstPause;
  while (true) {
    if (!fd_.ok()) RETURN_IF_ERROR(OpenFile());
    if (!fd_.ok()) return absl::OkStatus();  // Missing::kGoWithout
    if (flock(fd_.get(), operation) == 0) {
      if (IsAtPath()) return absl::OkStatus();
      // Somebody removed the file: a lock on it excludes nobody any more.
      fd_.Reset();
    } else if (errno != EWOULDBLOCK && errno != EINTR) {
      return WithCode(PosixStatus(absl::StrCat("lock ", path_), errno),
                      absl::StatusCode::kUnavailable);
    }
    // Polled, because flock has no timeout: an RPC must not hang on a process
    // that was stopped while it held the lock.
    if (left <= nanoseconds::zero()) {
      return absl::UnavailableError(
          absl::StrCat("lock ", path_, ": held by another process for ",
                       absl::FormatDuration(timeout_)));
    }
    left -= pause;
    if (!fd_.ok()) continue;
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, kLongestPause);
  }
}

void FileGuard::Unlock() {
  if (fd_.ok()) (void)flock(fd_.get(), LOCK_UN);
}

}  // namespace oneagent
