#include "cache/store/tree_lock.h"

#include <sys/file.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/posix_status.h"
#include "base/status_macros.h"

namespace oneagent {

absl::StatusOr<UniqueFd> LockTrees(const std::string& directory) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenDirectory(directory));
  while (flock(fd.get(), LOCK_EX) != 0) {
    if (errno != EINTR) {
      return PosixStatus(absl::StrCat("lock ", directory), errno);
    }
  }
  return fd;
}

}  // namespace oneagent
