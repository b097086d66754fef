#include "base/trash.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace oneagent {
namespace {

// Deeper than any tree of ours, shallower than what would exhaust descriptors:
// each level holds one open.
constexpr int kMaxDepth = 512;

class TreeDeleter {
 public:
  TreeDeleter(dev_t device, TrashResult* result)
      : device_(device), result_(result) {}

  // Removes `name` in `parent_fd`, whatever it is. A missing one is OK.
  absl::Status Delete(int parent_fd, const std::string& name,
                      const std::string& path, int depth) {
    struct stat info;
    if (fstatat(parent_fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return absl::OkStatus();
      return PosixStatus(absl::StrCat("stat ", path), errno);
    }
    if (S_ISDIR(info.st_mode)) {
      return DeleteDirectory(parent_fd, name, path, info, depth);
    }
    if (unlinkat(parent_fd, name.c_str(), 0) != 0 && errno != ENOENT) {
      return PosixStatus(absl::StrCat("unlink ", path), errno);
    }
    if (info.st_nlink <= 1) result_->bytes += info.st_blocks * 512;
    return absl::OkStatus();
  }

 private:
  absl::Status DeleteDirectory(int parent_fd, const std::string& name,
                               const std::string& path, const struct stat& info,
                               int depth) {
    if (info.st_dev != device_) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, ": another file system is mounted there"));
    }
    if (depth >= kMaxDepth) {
      return absl::ResourceExhaustedError(
          absl::StrCat(path, ": more than ", kMaxDepth, " directories deep"));
    }
    ASSIGN_OR_RETURN(UniqueFd fd, OpenForDeletion(parent_fd, name, path));
    ASSIGN_OR_RETURN(const std::vector<std::string> names,
                     NamesIn(fd.get(), path));
    for (const std::string& child : names) {
      RETURN_IF_ERROR(
          Delete(fd.get(), child, absl::StrCat(path, "/", child), depth + 1));
    }
    if (unlinkat(parent_fd, name.c_str(), AT_REMOVEDIR) != 0 &&
        errno != ENOENT) {
      return PosixStatus(absl::StrCat("rmdir ", path), errno);
    }
    return absl::OkStatus();
  }

  // The owner of a directory without permissions may still give them back.
  static absl::StatusOr<UniqueFd> OpenForDeletion(int parent_fd,
                                                  const std::string& name,
                                                  const std::string& path) {
    constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    UniqueFd fd(openat(parent_fd, name.c_str(), kFlags));
    if (!fd.ok() && errno == EACCES &&
        fchmodat(parent_fd, name.c_str(), 0700, 0) == 0) {
      fd.Reset(openat(parent_fd, name.c_str(), kFlags));
    }
    if (!fd.ok()) return PosixStatus(absl::StrCat("open ", path), errno);
    struct stat info;
    if (fstat(fd.get(), &info) == 0 && (info.st_mode & 0700) != 0700) {
      // Without w and x nothing in it can be unlinked; a failure shows there.
      (void)fchmod(fd.get(), 0700);
    }
    return fd;
  }

  static absl::StatusOr<std::vector<std::string>> NamesIn(
      int fd, const std::string& path) {
    const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    DIR* const dir = copy < 0 ? nullptr : fdopendir(copy);
    if (dir == nullptr) return PosixStatus(absl::StrCat("read ", path), errno);
    std::vector<std::string> names;
    while (const struct dirent* const entry = readdir(dir)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    closedir(dir);
    return names;
  }

  const dev_t device_;
  TrashResult* const result_;
};

std::pair<std::string, std::string> SplitPath(const std::string& path) {
  const size_t slash = path.rfind('/');
  return {path.substr(0, slash == 0 ? 1 : slash), path.substr(slash + 1)};
}

absl::Status DeleteIn(const std::string& directory, const std::string& name,
                      TrashResult* result) {
  ASSIGN_OR_RETURN(const UniqueFd fd, OpenDirectory(directory));
  struct stat info;
  if (fstat(fd.get(), &info) != 0) {
    return PosixStatus(absl::StrCat("stat ", directory), errno);
  }
  TreeDeleter deleter(info.st_dev, result);
  return deleter.Delete(fd.get(), name, absl::StrCat(directory, "/", name),
                        /*depth=*/0);
}

}  // namespace

absl::Status MoveToTrash(const std::string& path,
                         const std::string& trash_dir) {
  const std::string name = SplitPath(path).second;
  // Touched before it is moved, so that nobody deletes it by its old age. The
  // inode's times are what counts: renaming does not change them.
  if (utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return absl::OkStatus();
    return PosixStatus(absl::StrCat("touch ", path), errno);
  }
  for (int64_t n = 0;; ++n) {
    const std::string grave = absl::StrCat(trash_dir, "/", name, "-", n);
    if (renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, grave.c_str(),
                  RENAME_NOREPLACE) == 0) {
      return absl::OkStatus();
    }
    if (errno == EEXIST) continue;
    if (errno == ENOENT) {
      ASSIGN_OR_RETURN(const bool still_there, PathExists(path));
      if (!still_there) return absl::OkStatus();
      errno = ENOENT;
    }
    return PosixStatus(absl::StrCat("rename ", path, " -> ", grave), errno);
  }
}

absl::StatusOr<TrashResult> EmptyTrash(const std::string& trash_dir,
                                       absl::Time older_than) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   ListDirectory(trash_dir));
  TrashResult result;
  absl::Status first_error;
  for (const std::string& name : names) {
    const std::string path = absl::StrCat(trash_dir, "/", name);
    struct stat info;
    if (lstat(path.c_str(), &info) != 0 ||
        absl::TimeFromTimespec(info.st_mtim) >= older_than) {
      continue;
    }
    const absl::Status deleted = DeleteIn(trash_dir, name, &result);
    if (deleted.ok()) ++result.trees;
    first_error.Update(Annotate(deleted, absl::StrCat("trash ", name)));
  }
  if (!first_error.ok()) return first_error;
  return result;
}

absl::Status DeleteTree(const std::string& path) {
  const auto [directory, name] = SplitPath(path);
  TrashResult ignored;
  const absl::Status status = DeleteIn(directory, name, &ignored);
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

}  // namespace oneagent
