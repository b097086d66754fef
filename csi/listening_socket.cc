// Sequence "listen", all of it under an exclusive lock of the directory:
//   1  look at what stands at the path (a dead socket may go on)
//   2  remove the dot-name that a run which died at 3 may have left
//   3  socket, fchmod 0600 (bind gives the file the mode of the descriptor's
//      inode, so no umask and no moment with another mode), bind to the
//      dot-name, listen
//   4  rename into place
// Dying before 4 leaves the path as it was, dying after it a dead socket.
#include "csi/listening_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "base/posix_status.h"
#include "base/status_macros.h"

namespace oneagent {
namespace {

constexpr mode_t kMode = 0600;
// Bursts: kubelet makes a connection for each call. The kernel bounds it by
// net.core.somaxconn.
constexpr int kBacklog = 4096;
constexpr int kLockTries = 40;  // two seconds
constexpr int kLockPauseMs = 50;
// How long a shortage of descriptors is left alone.
constexpr int kShortagePauseMs = 100;

absl::StatusOr<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("socket ", path, ": path has ", path.size(),
                     " bytes, more than ", sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

int Connect(int fd, const sockaddr_un& address) {
  return connect(fd, reinterpret_cast<const sockaddr*>(&address),
                 sizeof(address));
}

// Holds until LOCK_UN or until the descriptor is closed. A neighbour needs it
// for microseconds, so a lock that stays taken is somebody else's and is not
// waited for long.
absl::Status LockDirectory(const std::string& path, int directory,
                           int tries = kLockTries) {
  for (int i = 0; i < tries; ++i) {
    if (i > 0) poll(nullptr, 0, kLockPauseMs);
    if (flock(directory, LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return PosixStatus(absl::StrCat("lock directory of ", path), errno);
    }
  }
  return absl::UnavailableError(absl::StrCat(
      "socket ", path, ": its directory is locked by another program"));
}

// OK when the path is free or holds a dead socket.
absl::Status CheckVacant(const std::string& path) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return absl::OkStatus();
    return PosixStatus(absl::StrCat("socket ", path), errno);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "socket ", path, ": there is something that is not a socket"));
  }
  ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(path));
  const UniqueFd fd(
      socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.ok()) return PosixStatus(absl::StrCat("socket ", path), errno);
  // EAGAIN: somebody listens, but the backlog is full.
  if (Connect(fd.get(), address) == 0 || errno == EAGAIN) {
    return absl::AlreadyExistsError(
        absl::StrCat("socket ", path, ": another instance is listening there"));
  }
  if (errno == ECONNREFUSED || errno == ENOENT) return absl::OkStatus();
  if (errno == EPROTOTYPE) {
    return absl::FailedPreconditionError(absl::StrCat(
        "socket ", path, ": there is a socket that is not a stream socket"));
  }
  return PosixStatus(absl::StrCat("connect ", path), errno);
}

// Whatever has our dot-name is ours to remove, unless it is no socket.
absl::Status RemoveLeftover(const std::string& path, int directory,
                            const std::string& name) {
  struct stat info;
  if (fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return absl::OkStatus();
    return PosixStatus(absl::StrCat("socket ", path), errno);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "socket ", path, ": ", name, " beside it is not a socket"));
  }
  if (unlinkat(directory, name.c_str(), 0) != 0) {
    return PosixStatus(absl::StrCat("unlink ", name), errno);
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> BindAndListen(const std::string& path, int directory,
                                       const std::string& name) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.ok()) return PosixStatus(absl::StrCat("socket ", path), errno);
  if (fchmod(fd.get(), kMode) != 0) {
    return PosixStatus(absl::StrCat("chmod ", path), errno);
  }
  // By descriptor: together with its directory the dot-name may have more
  // than 107 bytes.
  ASSIGN_OR_RETURN(
      const sockaddr_un address,
      AddressOf(absl::StrCat("/proc/self/fd/", directory, "/", name)));
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address),
           sizeof(address)) != 0) {
    return PosixStatus(absl::StrCat("bind ", path), errno);
  }
  if (listen(fd.get(), kBacklog) != 0) {
    return PosixStatus(absl::StrCat("listen ", path), errno);
  }
  return fd;
}

bool IsShortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS ||
         error == ENOMEM;
}

}  // namespace

ListeningSocket::ListeningSocket(std::string path, UniqueFd directory,
                                 UniqueFd listener, UniqueFd interrupt)
    : path_(std::move(path)),
      name_(path_.substr(path_.rfind('/') + 1)),
      directory_(std::move(directory)),
      listener_(std::move(listener)),
      interrupt_(std::move(interrupt)) {}

absl::StatusOr<std::unique_ptr<ListeningSocket>> ListeningSocket::Open(
    const std::string& path) {
  RETURN_IF_ERROR(AddressOf(path).status());
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash + 1 == path.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("socket ", path, ": not an absolute path of a file"));
  }
  const std::string parent = slash == 0 ? "/" : path.substr(0, slash);
  const std::string name = path.substr(slash + 1);
  // Cut, so that it fits below a descriptor's path; the lock keeps two sockets
  // of one directory from using it at the same time.
  const std::string dot_name = absl::StrCat(".", name.substr(0, 64), ".new");

  // Links are followed: /var/run is one.
  UniqueFd directory(open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.ok()) return PosixStatus(absl::StrCat("open ", parent), errno);
  RETURN_IF_ERROR(LockDirectory(path, directory.get()));
  RETURN_IF_ERROR(CheckVacant(path));                                // 1
  RETURN_IF_ERROR(RemoveLeftover(path, directory.get(), dot_name));  // 2
  ASSIGN_OR_RETURN(UniqueFd listener,
                   BindAndListen(path, directory.get(), dot_name));  // 3
  Failpoint("listen:3");
  struct stat info;
  if (fstatat(directory.get(), dot_name.c_str(), &info, AT_SYMLINK_NOFOLLOW) !=
      0) {
    return PosixStatus(absl::StrCat("socket ", path), errno);
  }
  UniqueFd interrupt(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!interrupt.ok()) {
    return PosixStatus(absl::StrCat("socket ", path, ": eventfd"), errno);
  }
  if (renameat(directory.get(), dot_name.c_str(), directory.get(),
               name.c_str()) != 0) {  // 4
    return PosixStatus(absl::StrCat("rename ", dot_name, " -> ", path), errno);
  }
  Failpoint("listen:4");
  std::unique_ptr<ListeningSocket> result(new ListeningSocket(
      path, std::move(directory), std::move(listener), std::move(interrupt)));
  flock(result->directory_.get(), LOCK_UN);
  result->device_ = info.st_dev;
  result->inode_ = info.st_ino;
  return result;
}

void ListeningSocket::RemoveDead(const std::string& path) {
  const UniqueFd directory(open(path.substr(0, path.rfind('/') + 1).c_str(),
                                O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.ok() || !LockDirectory(path, directory.get(), 1).ok()) return;
  struct stat info;
  if (lstat(path.c_str(), &info) != 0 || !CheckVacant(path).ok()) return;
  unlink(path.c_str());
}

ListeningSocket::~ListeningSocket() {
  // Errors are ignored on purpose: a path that stays is a dead socket, which
  // the next start replaces.
  if (!LockDirectory(path_, directory_.get()).ok()) return;
  struct stat info;
  if (fstatat(directory_.get(), name_.c_str(), &info, AT_SYMLINK_NOFOLLOW) ==
          0 &&
      IsOurs(info)) {
    unlinkat(directory_.get(), name_.c_str(), 0);
  }
}

bool ListeningSocket::IsOurs(const struct stat& info) const {
  return info.st_dev == device_ && info.st_ino == inode_;
}

bool ListeningSocket::IsInPlace() const {
  struct stat info;
  // By path: its directory may have been replaced as well.
  return lstat(path_.c_str(), &info) == 0 && IsOurs(info);
}

absl::StatusOr<UniqueFd> ListeningSocket::Accept() {
  for (;;) {
    pollfd fds[] = {{.fd = interrupt_.get(), .events = POLLIN, .revents = 0},
                    {.fd = listener_.get(), .events = POLLIN, .revents = 0}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR) {
      return PosixStatus(absl::StrCat("poll ", path_), errno);
    }
    if (fds[0].revents != 0) {
      return absl::CancelledError(absl::StrCat("socket ", path_, ": closed"));
    }
    if (fds[1].revents == 0) continue;
    UniqueFd fd(accept4(listener_.get(), nullptr, nullptr,
                        SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.ok()) return fd;
    if (IsShortage(errno)) {
      // The connection stays in the backlog, so that poll would return at
      // once, again and again.
      Failpoint("accept:shortage");
      poll(fds, 1, kShortagePauseMs);
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
      return PosixStatus(absl::StrCat("accept ", path_), errno);
    }
  }
}

void ListeningSocket::Interrupt() {
  const uint64_t one = 1;
  // Cannot fail: the counter is far from its limit.
  [[maybe_unused]] const ssize_t written =
      write(interrupt_.get(), &one, sizeof(one));
}

}  // namespace oneagent
