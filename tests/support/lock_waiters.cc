#include "tests/support/lock_waiters.h"

#include <sys/stat.h>

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/durable_file.h"

namespace oneagent {

int LockWaiters(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return 0;
  const std::string inode = absl::StrCat(":", info.st_ino, " ");
  const absl::StatusOr<std::string> locks = ReadWholeFile("/proc/locks");
  if (!locks.ok()) return 0;
  int waiters = 0;
  size_t begin = 0;
  for (size_t end; (end = locks->find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    const std::string line = locks->substr(begin, end - begin);
    const bool waits = line.find("->") != std::string::npos;
    if (waits && line.find(inode) != std::string::npos) ++waiters;
  }
  return waiters;
}

}  // namespace oneagent
