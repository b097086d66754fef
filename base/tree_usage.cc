#include "base/tree_usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/durable_file.h"
#include "base/posix_status.h"
#include "base/status_macros.h"

namespace oneagent {
namespace {

// One descriptor and one buffer of 32 KiB each.
constexpr size_t kMostLevels = 64;

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};
using Dir = std::unique_ptr<DIR, CloseDir>;

Dir OpenDir(UniqueFd fd) {
  DIR* const dir = fdopendir(fd.get());
  if (dir != nullptr) fd.Release();
  return Dir(dir);
}

class Walk {
 public:
  Walk(Dir root, dev_t device, int64_t max_entries)
      : device_(device), max_entries_(max_entries) {
    levels_.push_back(std::move(root));
  }

  TreeUsage Count() {
    while (!levels_.empty()) {
      const dirent* const entry = readdir(levels_.back().get());
      if (entry == nullptr) {
        levels_.pop_back();
        continue;
      }
      const absl::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      if (usage_.inodes == max_entries_) {
        usage_.complete = false;
        break;
      }
      Visit(entry->d_name);
    }
    return usage_;
  }

 private:
  void Visit(const char* name) {
    const int parent = dirfd(levels_.back().get());
    struct stat info;
    if (fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) != 0) return;
    if (info.st_dev != device_) return;
    ++usage_.inodes;
    const bool is_directory = S_ISDIR(info.st_mode);
    if (is_directory || info.st_nlink < 2 || seen_.insert(info.st_ino).second) {
      usage_.bytes += int64_t{info.st_blocks} * 512;
    }
    if (is_directory) Descend(parent, name);
  }

  void Descend(int parent, const char* name) {
    if (levels_.size() == kMostLevels) {
      usage_.complete = false;
      return;
    }
    UniqueFd fd(
        openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.ok()) {
      usage_.complete = usage_.complete && errno == ENOENT;
      return;
    }
    Dir dir = OpenDir(std::move(fd));
    if (dir == nullptr) {
      usage_.complete = false;
      return;
    }
    levels_.push_back(std::move(dir));
  }

  const dev_t device_;
  const int64_t max_entries_;
  TreeUsage usage_;
  std::vector<Dir> levels_;
  std::set<ino_t> seen_;  // of files with several links
};

}  // namespace

absl::StatusOr<TreeUsage> CountTree(const std::string& root,
                                    int64_t max_entries) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenDirectory(root));
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return PosixStatus(root, errno);
  Dir dir = OpenDir(std::move(fd));
  if (dir == nullptr) return PosixStatus(root, errno);
  return Walk(std::move(dir), info.st_dev, max_entries).Count();
}

}  // namespace oneagent
