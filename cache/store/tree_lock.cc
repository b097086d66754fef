#include "cache/store/tree_lock.h"

#include <sys/file.h>
#include <time.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/deadline.h"
#include "base/durable_file.h"
#include "base/posix_status.h"
#include "base/status_macros.h"

namespace oneagent {
namespace {

// flock(2) knows no timeout, and an alarm is not a library's to set.
constexpr absl::Duration kLookAgain = absl::Milliseconds(5);

}  // namespace

absl::StatusOr<UniqueFd> LockTrees(const std::string& directory,
                                   absl::Duration longest_wait) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenDirectory(directory));
  const Deadline deadline(longest_wait);
  while (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) {
      return PosixStatus(absl::StrCat("lock ", directory), errno);
    }
    if (deadline.IsOver()) {
      return absl::UnavailableError(
          absl::StrCat("lock ", directory, ": somebody has held it for ",
                       absl::FormatDuration(longest_wait)));
    }
    const timespec pause =
        absl::ToTimespec(std::min(deadline.Left(), kLookAgain));
    nanosleep(&pause, nullptr);  // a signal only makes it look earlier
  }
  return fd;
}

}  // namespace oneagent
