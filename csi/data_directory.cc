#include "csi/data_directory.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "csi/app_view.h"

namespace oneagent {
namespace {

absl::StatusOr<UniqueFd> LockVolumes(const Layout& layout) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenDirectory(layout.VolumesDir()));
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK) return PosixStatus(layout.VolumesDir(), errno);
  return absl::AlreadyExistsError(absl::StrCat(
      layout.data_dir(), ": another mounter works on this data directory"));
}

// A disk that is full or broken: then the mounter starts all the same, because
// without it no pod would get its volume, not even an empty one, and none could
// end. What else there is has to be seen by the operator.
bool IsOfTheDisk(const absl::Status& status) {
  return absl::IsResourceExhausted(status) || absl::IsInternal(status);
}

// A directory that has no name any more, as a mount shows it whose directory
// was deleted.
bool IsUnlinked(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0 && info.st_nlink == 0;
}

}  // namespace

DataDirectory::DataDirectory(Layout layout) : layout_(std::move(layout)) {}

absl::Status DataDirectory::Open(const Log& log) {
  const absl::Status prepared = PrepareDataDir(layout_);
  if (!prepared.ok() && !IsOfTheDisk(prepared)) return prepared;
  absl::StatusOr<UniqueFd> lock = LockVolumes(layout_);
  if (lock.ok()) lock_ = *std::move(lock);
  if (prepared.ok() || absl::IsAlreadyExists(lock.status())) {
    return lock.status();
  }
  log.Error("data directory unusable",
            {{"error", std::string(prepared.message())}});
  return absl::OkStatus();
}

bool DataDirectory::IsLocked() const {
  struct stat held;
  struct stat found;
  return lock_.ok() && fstat(lock_.get(), &held) == 0 &&
         lstat(layout_.VolumesDir().c_str(), &found) == 0 &&
         held.st_dev == found.st_dev && held.st_ino == found.st_ino;
}

absl::Status DataDirectory::RunOnce(const Log& log) {
  if (IsUnlinked(layout_.data_dir())) {
    return absl::FailedPreconditionError(
        absl::StrCat(layout_.data_dir(),
                     ": was deleted where it is mounted from, and cannot be "
                     "made again from here"));
  }
  // What is there stays untouched, so looking costs a dozen system calls. What
  // the disk does not allow now is tried again in a second.
  if (!PrepareDataDir(layout_).ok() || IsLocked()) {
    return absl::OkStatus();
  }
  absl::StatusOr<UniqueFd> lock = LockVolumes(layout_);
  if (!lock.ok()) {
    return absl::IsAlreadyExists(lock.status()) ? lock.status()
                                                : absl::OkStatus();
  }
  const bool was_locked = std::exchange(lock_, *std::move(lock)).ok();
  if (was_locked) {
    log.Warning("data directory was deleted and is made anew",
                {{"data_dir", layout_.data_dir()}});
  }
  return absl::OkStatus();
}

}  // namespace oneagent
