#include "base/confined_path.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/posix_status.h"

namespace oneagent {
namespace {

absl::Status CheckText(absl::string_view path, bool absolute) {
  if (path.empty() || absl::StrContains(path, '\0')) {
    return absl::InvalidArgumentError("path is empty or carries a NUL");
  }
  if ((path[0] == '/') != absolute) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": not ", absolute ? "an absolute" : "a relative", " path"));
  }
  return absl::OkStatus();
}

// openat2 has no glibc wrapper. EAGAIN: a rename raced with the resolution of
// "..", which is retried as the manual page asks.
absl::StatusOr<UniqueFd> OpenAt2(int root_fd, const std::string& path,
                                 int flags, uint32_t mode, uint64_t resolve) {
  struct open_how how = {};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = resolve;
  for (int attempt = 0; attempt < 16; ++attempt) {
    const long fd =
        syscall(SYS_openat2, root_fd, path.c_str(), &how, sizeof(how));
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    if (errno != EAGAIN && errno != EINTR) break;
  }
  const int error = errno;
  if (error == ELOOP || error == EXDEV) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, error == ELOOP ? ": a component is a symbolic link"
                                          : ": leads out of its directory"));
  }
  return PosixStatus(absl::StrCat("open ", path), error);
}

}  // namespace

absl::StatusOr<UniqueFd> OpenBeneath(int root_fd,
                                     absl::string_view relative_path, int flags,
                                     uint32_t mode) {
  const absl::Status checked = CheckText(relative_path, /*absolute=*/false);
  if (!checked.ok()) return checked;
  return OpenAt2(root_fd, std::string(relative_path), flags, mode,
                 RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

absl::StatusOr<UniqueFd> OpenRoot(const std::string& root) {
  UniqueFd fd(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok()) return PosixStatus(absl::StrCat("open ", root), errno);
  return fd;
}

absl::StatusOr<UniqueFd> OpenWithoutSymlinks(absl::string_view absolute_path,
                                             int flags) {
  const absl::Status checked = CheckText(absolute_path, /*absolute=*/true);
  if (!checked.ok()) return checked;
  return OpenAt2(AT_FDCWD, std::string(absolute_path), flags, /*mode=*/0,
                 RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

std::string ResolveSymlinks(const std::string& path) {
  std::error_code error;
  const std::filesystem::path resolved =
      std::filesystem::weakly_canonical(path, error);
  return error ? path : resolved.string();
}

}  // namespace oneagent
