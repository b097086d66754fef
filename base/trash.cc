// Deleting leaves, at any moment, a smaller tree under the same name in the
// trash (or parts of it, lifted, at its top): a process that dies, or stops, at
// any instruction leaves what the next run goes on with.
#include "base/trash.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/durable_file.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace oneagent {
namespace {

// Each level holds one descriptor and one buffer of directory entries. What is
// deeper is lifted: renamed to the top of the tree that is being deleted.
constexpr int kMaxDepth = 64;
// How often a directory is read again because names were still in it (file
// systems may skip entries while others are removed). Somebody who goes on
// creating files in it must not keep us: the rest is for the next run.
constexpr int kMaxPasses = 16;

using DirPtr = std::unique_ptr<DIR, int (*)(DIR*)>;

class TreeDeleter {
 public:
  TreeDeleter(dev_t device, const std::function<bool()>& stopped,
              TrashResult* result)
      : device_(device), stopped_(stopped), result_(result) {}

  // Removes `name` in `parent_fd`, whatever it is; `directory` is the path of
  // `parent_fd`, for messages. A missing one is OK. Goes on after a failure
  // and returns the first one; Cancelled when it was stopped.
  absl::Status Delete(int parent_fd, const std::string& directory,
                      const std::string& name) {
    path_ = directory;
    return DeleteEntry(parent_fd, name, /*depth=*/0);
  }

 private:
  absl::Status DeleteEntry(int parent_fd, const std::string& name, int depth) {
    if (stopped_ && stopped_()) return absl::CancelledError("stopped");
    const size_t length = path_.size();
    absl::StrAppend(&path_, "/", name);
    const absl::Status status = DeleteAtPath(parent_fd, name, depth);
    path_.resize(length);
    return status;
  }

  // From here on path_ is that of `name`.
  absl::Status DeleteAtPath(int parent_fd, const std::string& name, int depth) {
    struct stat info;
    if (fstatat(parent_fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return absl::OkStatus();
      return PosixStatus(absl::StrCat("stat ", path_), errno);
    }
    if (S_ISDIR(info.st_mode)) {
      return DeleteDirectory(parent_fd, name, info, depth);
    }
    if (unlinkat(parent_fd, name.c_str(), 0) != 0 && errno != ENOENT) {
      return PosixStatus(absl::StrCat("unlink ", path_), errno);
    }
    if (info.st_nlink <= 1) result_->bytes += info.st_blocks * 512;
    return absl::OkStatus();
  }

  absl::Status DeleteDirectory(int parent_fd, const std::string& name,
                               const struct stat& info, int depth) {
    if (info.st_dev != device_) {
      return absl::FailedPreconditionError(
          absl::StrCat(path_, ": another file system is mounted there"));
    }
    if (depth >= kMaxDepth) return Lift(parent_fd, name);
    ASSIGN_OR_RETURN(UniqueFd fd, OpenForDeletion(parent_fd, name));
    const DirPtr dir(fdopendir(fd.get()), &closedir);
    if (dir == nullptr) return PosixStatus(absl::StrCat("read ", path_), errno);
    (void)fd.Release();  // closedir closes it
    if (depth == 0) top_fd_ = dirfd(dir.get());
    for (int pass = 0; pass < kMaxPasses; ++pass) {
      const int64_t lifted = lifted_;
      // After a failure there is no second pass: each level would double the
      // work of the one below.
      RETURN_IF_ERROR(DeleteNames(dir.get(), depth));
      if (unlinkat(parent_fd, name.c_str(), AT_REMOVEDIR) == 0 ||
          errno == ENOENT) {
        return absl::OkStatus();
      }
      if (errno != ENOTEMPTY && errno != EEXIST) break;
      // What was lifted is less than what there was: that is progress.
      if (depth == 0 && lifted_ != lifted) pass = 0;
      rewinddir(dir.get());
      errno = ENOTEMPTY;
    }
    return PosixStatus(absl::StrCat("rmdir ", path_), errno);
  }

  // Removes while it reads: a pod may have made a million files in one
  // directory, whose names would not fit into our memory limit.
  absl::Status DeleteNames(DIR* dir, int depth) {
    absl::Status first_error;
    while (true) {
      errno = 0;
      const struct dirent* const entry = readdir(dir);
      if (entry == nullptr) break;
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      first_error.Update(DeleteEntry(dirfd(dir), name, depth + 1));
      if (absl::IsCancelled(first_error)) return first_error;
      if (stopped_ && stopped_()) return absl::CancelledError("stopped");
    }
    if (errno != 0) {
      first_error.Update(PosixStatus(absl::StrCat("read ", path_), errno));
    }
    return first_error;
  }

  // The top is read again as long as something is lifted to it.
  absl::Status Lift(int parent_fd, const std::string& name) {
    // A run that died may have left some of these names.
    while (true) {
      const std::string free_name = absl::StrCat(".lifted-", lifted_++);
      if (renameat2(parent_fd, name.c_str(), top_fd_, free_name.c_str(),
                    RENAME_NOREPLACE) == 0 ||
          errno == ENOENT) {
        return absl::OkStatus();
      }
      if (errno == EEXIST) continue;
      // A directory that is not writable itself cannot get another parent.
      if (errno == EACCES && fchmodat(parent_fd, name.c_str(), 0700, 0) == 0 &&
          renameat2(parent_fd, name.c_str(), top_fd_, free_name.c_str(),
                    RENAME_NOREPLACE) == 0) {
        return absl::OkStatus();
      }
      return PosixStatus(absl::StrCat("lift ", path_), errno);
    }
  }

  // Another device tells of other file systems, RESOLVE_NO_XDEV of binds of
  // the same one, too.
  static int OpenHere(int parent_fd, const std::string& name) {
    struct open_how how = {};
    how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH;
    return static_cast<int>(
        syscall(SYS_openat2, parent_fd, name.c_str(), &how, sizeof(how)));
  }

  // The owner of a directory without permissions may still give them back.
  absl::StatusOr<UniqueFd> OpenForDeletion(int parent_fd,
                                           const std::string& name) {
    UniqueFd fd(OpenHere(parent_fd, name));
    if (!fd.ok() && errno == EACCES &&
        fchmodat(parent_fd, name.c_str(), 0700, 0) == 0) {
      fd.Reset(OpenHere(parent_fd, name));
    }
    if (!fd.ok() && errno == EXDEV) {
      return absl::FailedPreconditionError(
          absl::StrCat(path_, ": something is mounted there"));
    }
    if (!fd.ok()) return PosixStatus(absl::StrCat("open ", path_), errno);
    struct stat info;
    if (fstat(fd.get(), &info) == 0 && (info.st_mode & 0700) != 0700) {
      // Without w and x nothing in it can be unlinked; a failure shows there.
      (void)fchmod(fd.get(), 0700);
    }
    return fd;
  }

  const dev_t device_;
  const std::function<bool()>& stopped_;
  TrashResult* const result_;
  std::string path_;  // of what is being deleted
  int top_fd_ = -1;   // of the tree's root directory
  int64_t lifted_ = 0;
};

int64_t BootMilliseconds() {
  struct timespec now = {};
  // It fails for no clock that the kernel has.
  (void)clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

std::pair<std::string, std::string> SplitPath(const std::string& path) {
  const size_t slash = path.rfind('/');
  return {path.substr(0, slash == 0 ? 1 : slash), path.substr(slash + 1)};
}

absl::Status DeleteIn(const std::string& directory, const std::string& name,
                      const std::function<bool()>& stopped,
                      TrashResult* result) {
  ASSIGN_OR_RETURN(const UniqueFd fd, OpenDirectory(directory));
  struct stat info;
  if (fstat(fd.get(), &info) != 0) {
    return PosixStatus(absl::StrCat("stat ", directory), errno);
  }
  TreeDeleter deleter(info.st_dev, stopped, result);
  return deleter.Delete(fd.get(), directory, name);
}

}  // namespace

absl::Status MoveToTrash(const std::string& path,
                         const std::string& trash_dir) {
  const std::string name = SplitPath(path).second;
  for (int64_t n = BootMilliseconds();; ++n) {
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

absl::Duration TrashAge(absl::string_view name) {
  const size_t dash = name.rfind('-');
  int64_t moved = 0;
  if (dash == absl::string_view::npos ||
      !absl::SimpleAtoi(name.substr(dash + 1), &moved)) {
    return absl::InfiniteDuration();
  }
  const int64_t now = BootMilliseconds();
  return moved > now ? absl::InfiniteDuration()
                     : absl::Milliseconds(now - moved);
}

absl::StatusOr<TrashResult> EmptyTrash(const std::string& trash_dir,
                                       absl::Duration least_age,
                                       const std::function<bool()>& stopped) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   ListDirectory(trash_dir));
  TrashResult result;
  absl::Status first_error;
  for (const std::string& name : names) {
    if (TrashAge(name) < least_age) continue;
    const absl::Status deleted = DeleteIn(trash_dir, name, stopped, &result);
    if (absl::IsCancelled(deleted)) break;
    if (deleted.ok()) ++result.trees;
    first_error.Update(Annotate(deleted, absl::StrCat("trash ", name)));
  }
  if (!first_error.ok()) return first_error;
  return result;
}

absl::Status DeleteTree(const std::string& path) {
  const auto [directory, name] = SplitPath(path);
  TrashResult ignored;
  const absl::Status status =
      DeleteIn(directory, name, /*stopped=*/{}, &ignored);
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::Status DeleteTreeAt(int parent_fd, const std::string& directory,
                          const std::string& name) {
  struct stat info;
  if (fstat(parent_fd, &info) != 0) {
    return PosixStatus(absl::StrCat("stat ", directory), errno);
  }
  TrashResult ignored;
  const std::function<bool()> never;
  TreeDeleter deleter(info.st_dev, never, &ignored);
  return deleter.Delete(parent_fd, directory, name);
}

}  // namespace oneagent
