#include "overlay/target_state.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/posix_status.h"
#include "base/status_macros.h"

namespace oneagent {
namespace {

// A name with a slash would be resolved through links, "." and ".." name
// somebody else's directory.
absl::Status CheckName(const MountTarget& target) {
  const std::string& name = target.name;
  if (name.empty() || name == "." || name == ".." ||
      absl::StrContains(name, '/') || absl::StrContains(name, '\0')) {
    return absl::InvalidArgumentError(absl::StrCat(
        "target ", target.path, ": its name is not one path component"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TargetState> StateFromError(int error, const std::string& path) {
  switch (error) {
    case ENOENT:
      return TargetState::kMissing;
    case ESTALE:
    case ENOTCONN:
    case ECONNREFUSED:
    case ECONNABORTED:
    case EIO:
    case EHOSTDOWN:
    case ESHUTDOWN:
    case ENODEV:
    case ENXIO:
      return TargetState::kMountRoot;
    default:
      return PosixStatus(absl::StrCat("stat ", path), error);
  }
}

absl::StatusOr<TargetState> LookAt(const MountTarget& target) {
  RETURN_IF_ERROR(CheckName(target));
  struct statx info = {};
  // DONT_SYNC: a mount whose server is dead must not hang us.
  if (statx(target.parent_fd, target.name.c_str(),
            AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
            STATX_TYPE, &info) != 0) {
    return StateFromError(errno, target.path);
  }
  if ((info.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) == 0) {
    // As CheckKernel says.
    return absl::UnimplementedError(absl::StrCat(
        "stat ", target.path, ": the kernel does not report mount roots"));
  }
  if ((info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0) {
    return TargetState::kMountRoot;
  }
  if (S_ISDIR(info.stx_mode)) return TargetState::kDirectory;
  if (S_ISLNK(info.stx_mode)) return TargetState::kSymlink;
  return TargetState::kOther;
}

absl::Status CheckMountable(const MountTarget& target) {
  ASSIGN_OR_RETURN(const TargetState state, LookAt(target));
  switch (state) {
    case TargetState::kDirectory:
      return absl::OkStatus();
    case TargetState::kMissing:
      return PosixStatus(target.path, ENOENT);
    case TargetState::kMountRoot:
      return absl::AlreadyExistsError(
          absl::StrCat(target.path, ": something is mounted there already"));
    case TargetState::kSymlink:
      return absl::FailedPreconditionError(
          absl::StrCat(target.path, ": is a symbolic link"));
    case TargetState::kOther:
      return absl::FailedPreconditionError(
          absl::StrCat(target.path, ": is not a directory"));
  }
  return absl::InternalError("unknown target state");
}

absl::StatusOr<UniqueFd> OpenTarget(const MountTarget& target) {
  RETURN_IF_ERROR(CheckName(target));
  UniqueFd fd(openat(target.parent_fd, target.name.c_str(),
                     O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.ok()) return PosixStatus(absl::StrCat("open ", target.path), errno);
  return fd;
}

std::string DescriptorPath(int fd) {
  return absl::StrCat("/proc/self/fd/", fd);
}

}  // namespace oneagent
