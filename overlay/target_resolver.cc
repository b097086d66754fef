#include "overlay/target_resolver.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/confined_path.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "base/text.h"
#include "base/trash.h"
#include "overlay/target_state.h"

namespace oneagent {
namespace {

constexpr mode_t kPodsMode = 0750;    // as kubelet makes it
constexpr mode_t kTargetMode = 0755;  // a pod reads it if nothing is mounted

constexpr size_t kMostShown = 300;  // of a path that may be anything

absl::Status Refuse(absl::string_view path, absl::string_view rule) {
  return absl::InvalidArgumentError(
      absl::StrCat("target path ", ShownText(path, kMostShown), ": ", rule));
}

// Paths stand in messages, records and logs.
bool IsOneLine(absl::string_view path) {
  while (!path.empty()) {
    const size_t length = Utf8SequenceLength(path);
    if (length == 0 || IsControlSequence(path.substr(0, length))) return false;
    path.remove_prefix(length);
  }
  return true;
}

bool IsComponent(absl::string_view name) {
  return !name.empty() && name.size() <= NAME_MAX && name != "." &&
         name != ".." && !absl::StrContains(name, '/') &&
         !absl::StrContains(name, '\0');
}

absl::Status CheckForm(absl::string_view path) {
  if (absl::StrContains(path, '\0')) return Refuse(path, "carries a NUL byte");
  if (path.size() >= PATH_MAX) {
    return Refuse(path, absl::StrCat("longer than ", PATH_MAX - 1, " bytes"));
  }
  if (!IsOneLine(path)) {
    return Refuse(path, "carries a control character or is not UTF-8");
  }
  if (!absl::StartsWith(path, "/")) return Refuse(path, "not absolute");
  for (const absl::string_view name : absl::StrSplit(path.substr(1), '/')) {
    if (name.size() > NAME_MAX) {
      return Refuse(path, absl::StrCat("a component is longer than ", NAME_MAX,
                                       " bytes"));
    }
    if (!IsComponent(name)) {
      return Refuse(path, "has an empty, \".\" or \"..\" component");
    }
  }
  return absl::OkStatus();
}

// `below` is the path below <kubelet>/pods.
absl::Status CheckKubeletForm(absl::string_view path, absl::string_view below,
                              absl::string_view pod_uid) {
  const std::vector<absl::string_view> parts = absl::StrSplit(below, '/');
  if (parts.size() != 5 || parts[1] != "volumes" ||
      parts[2] != "kubernetes.io~csi" || parts[4] != "mount") {
    return Refuse(
        path,
        "not <kubelet>/pods/<uid>/volumes/kubernetes.io~csi/<name>/mount");
  }
  if (!pod_uid.empty() && parts[0] != pod_uid) {
    return Refuse(path, absl::StrCat("not of pod ", pod_uid));
  }
  return absl::OkStatus();
}

// "<kubelet>" of "<kubelet>/pods/<uid>/volumes/kubernetes.io~csi/<name>/mount",
// whatever the last five are; empty when there is none.
absl::string_view KubeletOf(absl::string_view path) {
  for (int i = 0; i < 5; ++i) path = path.substr(0, path.rfind('/'));
  return absl::ConsumeSuffix(&path, "/pods") ? path : "";
}

// The first name in a directory that is not "." or ".."; empty: there is none.
absl::StatusOr<std::string> FirstEntry(const MountTarget& target) {
  const int fd = openat(target.parent_fd, target.name.c_str(),
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR* const dir = fd < 0 ? nullptr : fdopendir(fd);
  if (dir == nullptr) {
    const absl::Status status =
        PosixStatus(absl::StrCat("read ", target.path), errno);
    if (fd >= 0) close(fd);
    return status;
  }
  const absl::Cleanup close_dir = [dir] { closedir(dir); };
  errno = 0;
  while (const struct dirent* const entry = readdir(dir)) {
    const absl::string_view name = entry->d_name;
    if (name != "." && name != "..") return std::string(name);
  }
  if (errno != 0) {
    return PosixStatus(absl::StrCat("read ", target.path), errno);
  }
  return std::string();
}

bool IsAt(const std::string& path, int fd) {
  struct stat held;
  struct stat there;
  return fstat(fd, &held) == 0 && stat(path.c_str(), &there) == 0 &&
         held.st_dev == there.st_dev && held.st_ino == there.st_ino;
}

// Only what we made ourselves a moment ago: the mode of a directory that was
// there is its maker's business.
absl::Status SetTargetMode(const MountTarget& target) {
  const UniqueFd fd(openat(target.parent_fd, target.name.c_str(),
                           O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.ok() || fchmod(fd.get(), kTargetMode) != 0) {
    return PosixStatus(absl::StrCat("chmod ", target.path), errno);
  }
  return absl::OkStatus();
}

absl::Status NotEmpty(const MountTarget& target, absl::string_view entry) {
  return absl::FailedPreconditionError(
      absl::StrCat(target.path, ": not empty, holds \"", entry, "\""));
}

}  // namespace

ResolvedTarget::ResolvedTarget(UniqueFd parent, std::string name,
                               std::string path)
    : parent_(std::move(parent)),
      target_{.parent_fd = parent_.get(),
              .name = std::move(name),
              .path = std::move(path)} {}

TargetResolver::TargetResolver(std::string pods_dir, UniqueFd pods,
                               TargetCheck check)
    : pods_dir_(std::move(pods_dir)),
      check_(check),
      pods_(std::make_shared<const UniqueFd>(std::move(pods))) {}

absl::StatusOr<std::unique_ptr<TargetResolver>> TargetResolver::Open(
    const std::string& kubelet_dir, TargetCheck check) {
  absl::string_view root = kubelet_dir;
  while (absl::ConsumeSuffix(&root, "/")) {
  }
  const std::string pods_dir = absl::StrCat(root, "/pods");
  absl::StatusOr<UniqueFd> pods = OpenRoot(pods_dir);
  if (absl::IsNotFound(pods.status())) {
    // A node whose kubelet has not run a pod yet.
    ASSIGN_OR_RETURN(const UniqueFd kubelet, OpenRoot(kubelet_dir));
    if (mkdirat(kubelet.get(), "pods", kPodsMode) != 0 && errno != EEXIST) {
      return PosixStatus(absl::StrCat("mkdir ", pods_dir), errno);
    }
    pods = OpenRoot(pods_dir);
  }
  if (!pods.ok()) return pods.status();
  return std::unique_ptr<TargetResolver>(
      new TargetResolver(pods_dir, *std::move(pods), check));
}

absl::StatusOr<absl::string_view> TargetResolver::BelowPods(
    absl::string_view path) const {
  absl::string_view below = path;
  if (absl::ConsumePrefix(&below, pods_dir_ + "/")) return below;
  const absl::string_view kubelet = KubeletOf(path);
  if (kubelet.empty()) {
    return Refuse(path, absl::StrCat("not below ", pods_dir_));
  }
  // Only compared: what is used is opened below our own descriptor.
  const std::string pods = absl::StrCat(kubelet, "/pods");
  if (IsAt(pods, Pods()->get())) return path.substr(pods.size() + 1);
  return Refuse(
      path, absl::StrCat("not below ", pods_dir_, "; if ",
                         ShownText(kubelet, kMostShown),
                         " is kubelet's root, set kubeletPath (--kubelet-dir) "
                         "to it"));
}

absl::Status TargetResolver::Check(absl::string_view target_path,
                                   absl::string_view pod_uid) const {
  RETURN_IF_ERROR(CheckForm(target_path));
  switch (check_) {
    case TargetCheck::kAny:
      return absl::OkStatus();
    case TargetCheck::kKubelet: {
      ASSIGN_OR_RETURN(const absl::string_view below, BelowPods(target_path));
      return CheckKubeletForm(target_path, below, pod_uid);
    }
  }
  return absl::InternalError("unknown target check");
}

// Whoever restores a node may put another directory there: one that we hold
// would hide every pod of the new one, and call those of the old one alive.
std::shared_ptr<const UniqueFd> TargetResolver::Pods() const {
  MutexLock lock(mu_);
  if (IsAt(pods_dir_, pods_->get())) return pods_;
  absl::StatusOr<UniqueFd> pods = OpenRoot(pods_dir_);
  if (pods.ok()) pods_ = std::make_shared<const UniqueFd>(*std::move(pods));
  return pods_;
}

absl::StatusOr<ResolvedTarget> TargetResolver::Resolve(
    absl::string_view target_path) const {
  RETURN_IF_ERROR(Check(target_path, /*pod_uid=*/""));
  const size_t slash = target_path.rfind('/');
  const absl::string_view parent = target_path.substr(0, slash);
  const std::string name(target_path.substr(slash + 1));
  absl::StatusOr<UniqueFd> fd;
  switch (check_) {
    case TargetCheck::kKubelet: {
      // Check has seen five components.
      ASSIGN_OR_RETURN(absl::string_view below, BelowPods(target_path));
      below.remove_suffix(name.size() + 1);
      fd = OpenBeneath(Pods()->get(), below, O_PATH | O_DIRECTORY);
      break;
    }
    case TargetCheck::kAny:
      fd = OpenWithoutSymlinks(parent.empty() ? "/" : parent,
                               O_PATH | O_DIRECTORY);
      break;
  }
  if (!fd.ok()) {
    return Annotate(fd.status(), absl::StrCat("target path ", target_path));
  }
  return ResolvedTarget(*std::move(fd), name, std::string(target_path));
}

absl::StatusOr<bool> TargetResolver::PodDirectoryExists(
    absl::string_view pod_uid) const {
  if (!IsComponent(pod_uid)) {
    return absl::UnavailableError(
        absl::StrCat("pod uid \"", pod_uid, "\": names no directory"));
  }
  const std::string name(pod_uid);
  const std::shared_ptr<const UniqueFd> pods = Pods();
  struct stat info;
  if (fstatat(pods->get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
    return true;
  }
  const int error = errno;
  // A pods directory that is not at its place (any more) says nothing about
  // pods: kubelet may be about to make, or restore, another one.
  if (error == ENOENT && IsAt(pods_dir_, pods->get())) return false;
  if (error == ENOENT) {
    return absl::UnavailableError(
        absl::StrCat(pods_dir_, ": was deleted or replaced"));
  }
  return WithCode(
      PosixStatus(absl::StrCat("stat ", pods_dir_, "/", name), error),
      absl::StatusCode::kUnavailable);
}

absl::Status MakeTarget(const MountTarget& target) {
  ASSIGN_OR_RETURN(const TargetState state, LookAt(target));
  switch (state) {
    case TargetState::kMountRoot:
      return absl::OkStatus();
    case TargetState::kSymlink:
    case TargetState::kOther:
      return CheckMountable(target);
    case TargetState::kDirectory: {
      ASSIGN_OR_RETURN(const std::string entry, FirstEntry(target));
      return entry.empty() ? absl::OkStatus() : NotEmpty(target, entry);
    }
    case TargetState::kMissing:
      break;
  }
  if (mkdirat(target.parent_fd, target.name.c_str(), kTargetMode) != 0) {
    // Somebody was faster; what they made is looked at next time.
    return PosixStatus(absl::StrCat("mkdir ", target.path), errno);
  }
  return SetTargetMode(target);
}

absl::Status DeleteTarget(const MountTarget& target) {
  RETURN_IF_ERROR(CheckMountable(target));
  const std::string directory = target.path.substr(0, target.path.rfind('/'));
  return DeleteTreeAt(target.parent_fd, directory, target.name);
}

absl::Status RemoveTarget(const MountTarget& target) {
  ASSIGN_OR_RETURN(const TargetState state, LookAt(target));
  switch (state) {
    case TargetState::kMissing:
      return absl::OkStatus();
    case TargetState::kMountRoot:
      return absl::UnavailableError(
          absl::StrCat("rmdir ", target.path, ": still mounted"));
    case TargetState::kSymlink:
    case TargetState::kOther:
      return CheckMountable(target);
    case TargetState::kDirectory:
      break;
  }
  if (unlinkat(target.parent_fd, target.name.c_str(), AT_REMOVEDIR) == 0 ||
      errno == ENOENT) {
    return absl::OkStatus();
  }
  const int error = errno;
  if (error == ENOTEMPTY || error == EEXIST) {
    ASSIGN_OR_RETURN(const std::string entry, FirstEntry(target));
    return NotEmpty(target, entry);
  }
  return PosixStatus(absl::StrCat("rmdir ", target.path), error);
}

}  // namespace oneagent
