#include "base/durable_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/posix_status.h"
#include "base/status_macros.h"

namespace oneagent {
namespace {

absl::Status WriteAll(int fd, absl::string_view content,
                      const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return PosixStatus(absl::StrCat("write ", path), errno);
    content.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Unique in this process; the process id keeps two processes apart.
std::string TemporaryNameFor(const std::string& path) {
  static std::atomic<int64_t> counter{0};
  const size_t slash = path.rfind('/');
  return absl::StrCat(DirectoryOf(path), "/.", path.substr(slash + 1), ".tmp-",
                      getpid(), "-", counter.fetch_add(1));
}

}  // namespace

absl::Status WriteFileAtomically(const std::string& path,
                                 absl::string_view content, mode_t mode,
                                 Durability durability) {
  const std::string temporary = TemporaryNameFor(path);
  UniqueFd fd(open(temporary.c_str(),
                   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd.ok()) return PosixStatus(absl::StrCat("create ", temporary), errno);
  absl::Cleanup remove = [&temporary] { unlink(temporary.c_str()); };
  if (fchmod(fd.get(), mode) != 0) {
    return PosixStatus(absl::StrCat("chmod ", temporary), errno);
  }
  RETURN_IF_ERROR(WriteAll(fd.get(), content, temporary));
  if (durability == Durability::kSync && fsync(fd.get()) != 0) {
    return PosixStatus(absl::StrCat("fsync ", temporary), errno);
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    return PosixStatus(absl::StrCat("rename ", temporary, " -> ", path), errno);
  }
  std::move(remove).Cancel();
  if (durability == Durability::kNoSync) return absl::OkStatus();
  return SyncDirectory(DirectoryOf(path));
}

absl::StatusOr<std::string> ReadWholeFile(const std::string& path,
                                          int64_t limit, LastLink last_link) {
  const int links = last_link == LastLink::kRefuse ? O_NOFOLLOW : 0;
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | links));
  if (!fd.ok()) return PosixStatus(absl::StrCat("open ", path), errno);
  std::string content;
  char buffer[16384];
  while (true) {
    const ssize_t count = read(fd.get(), buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return PosixStatus(absl::StrCat("read ", path), errno);
    if (count == 0) return content;
    content.append(buffer, static_cast<size_t>(count));
    if (static_cast<int64_t>(content.size()) > limit) {
      return absl::ResourceExhaustedError(
          absl::StrCat("read ", path, ": larger than ", limit, " bytes"));
    }
  }
}

absl::StatusOr<UniqueFd> OpenDirectory(const std::string& path) {
  UniqueFd fd(
      open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.ok()) return PosixStatus(absl::StrCat("open ", path), errno);
  return fd;
}

absl::Status SyncDirectory(const std::string& path) {
  ASSIGN_OR_RETURN(const UniqueFd fd, OpenDirectory(path));
  if (fsync(fd.get()) != 0) {
    return PosixStatus(absl::StrCat("fsync ", path), errno);
  }
  return absl::OkStatus();
}

absl::Status EnsureDirectory(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
    return PosixStatus(absl::StrCat("mkdir ", path), errno);
  }
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) {
    return PosixStatus(absl::StrCat("stat ", path), errno);
  }
  if (!S_ISDIR(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": exists and is not a directory"));
  }
  // The umask may have taken bits, and a hostPath arrives as 0755.
  if ((info.st_mode & 07777) != mode && chmod(path.c_str(), mode) != 0) {
    return PosixStatus(absl::StrCat("chmod ", path), errno);
  }
  return absl::OkStatus();
}

absl::Status RemoveFileIfPresent(const std::string& path) {
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return PosixStatus(absl::StrCat("unlink ", path), errno);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> PathExists(const std::string& path) {
  struct stat info;
  if (lstat(path.c_str(), &info) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return PosixStatus(absl::StrCat("stat ", path), errno);
}

absl::StatusOr<std::vector<std::string>> ListDirectory(
    const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(path.c_str()),
                                                &closedir);
  if (dir == nullptr) return PosixStatus(absl::StrCat("open ", path), errno);
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const struct dirent* const entry = readdir(dir.get());
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  if (errno != 0) return PosixStatus(absl::StrCat("read ", path), errno);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace oneagent
