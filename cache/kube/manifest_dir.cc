#include "cache/kube/manifest_dir.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/deadline.h"
#include "base/durable_file.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "cache/kube/manifest_reader.h"

namespace oneagent {
namespace {

constexpr uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM |
                             IN_DELETE | IN_CREATE | IN_ATTRIB |
                             IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
// Editors and ConfigMap swaps are several events; one list is enough.
constexpr absl::Duration kQuiet = absl::Milliseconds(50);
constexpr int kMostQuietWaits = 20;
// While the directory does not exist, somebody has to look for it.
constexpr absl::Duration kLookAgain = absl::Seconds(1);
constexpr int kMostReads = 5;

bool IsManifestName(absl::string_view name) {
  return !absl::StartsWith(name, ".") &&
         (absl::EndsWith(name, ".yaml") || absl::EndsWith(name, ".yml") ||
          absl::EndsWith(name, ".json"));
}

// Kubelet swaps the link "..data" when a mounted ConfigMap changes.
bool Matters(absl::string_view name) {
  return name == "..data" || IsManifestName(name);
}

absl::StatusOr<std::string> ReadManifest(const std::string& path) {
  // O_NONBLOCK: a fifo of that name must not hold the reader.
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.ok()) return PosixStatus("open", errno);
  struct stat info = {};
  if (fstat(fd.get(), &info) != 0) return PosixStatus("stat", errno);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError("not a regular file");
  }
  std::string content;
  std::vector<char> buffer(64 << 10);
  for (;;) {
    const ssize_t n = read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return PosixStatus("read", errno);
    if (n == 0) return content;
    content.append(buffer.data(), static_cast<size_t>(n));
    if (static_cast<int64_t>(content.size()) > ManifestDir::kMaxFileBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("larger than ", ManifestDir::kMaxFileBytes, " bytes"));
    }
  }
}

// Equal before and after reading: nothing was replaced in between, so that no
// DynaKube can have moved from a file not yet read to one read already.
using Fingerprint = std::vector<std::string>;

absl::StatusOr<Fingerprint> LookAt(const std::string& directory) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   ListDirectory(directory));
  Fingerprint fingerprint;
  for (const std::string& name : names) {
    if (!Matters(name)) continue;
    struct stat info = {};
    const std::string path = absl::StrCat(directory, "/", name);
    const int error = stat(path.c_str(), &info) == 0 ? 0 : errno;
    fingerprint.push_back(absl::StrCat(
        name, " ", error, " ", info.st_dev, " ", info.st_ino, " ", info.st_size,
        " ", info.st_mtim.tv_sec, ".", info.st_mtim.tv_nsec));
  }
  return fingerprint;
}

absl::StatusOr<ClusterState> ReadAll(const std::string& directory) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   ListDirectory(directory));
  ManifestReader reader;
  for (const std::string& name : names) {
    if (!IsManifestName(name)) continue;
    const absl::StatusOr<std::string> text =
        ReadManifest(absl::StrCat(directory, "/", name));
    if (text.ok()) {
      reader.Add(name, *text);
    } else {
      reader.AddUnreadable(name, text.status().message());
    }
  }
  return std::move(reader).Finish();
}

absl::StatusOr<ClusterState> ReadSettled(const std::string& directory) {
  for (int i = 0;; ++i) {
    ASSIGN_OR_RETURN(const Fingerprint before, LookAt(directory));
    ASSIGN_OR_RETURN(ClusterState state, ReadAll(directory));
    ASSIGN_OR_RETURN(const Fingerprint after, LookAt(directory));
    if (before == after) return state;
    if (i + 1 == kMostReads) {
      state.complete = false;
      state.problems.push_back({.object = directory,
                                .cause = "kept changing while it was read",
                                .dynakube = ""});
      return state;
    }
  }
}

// A regular file is worth reading when its writer closes it; links are
// complete when they appear.
bool IsHalfWritten(const std::string& path, uint32_t mask) {
  struct stat info = {};
  return (mask & IN_CREATE) != 0 && lstat(path.c_str(), &info) == 0 &&
         S_ISREG(info.st_mode) && info.st_nlink == 1;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ManifestDir>> ManifestDir::Open(
    std::string directory) {
  UniqueFd inotify(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  const absl::Status watched =
      inotify.ok() ? absl::OkStatus()
                   : PosixStatus(absl::StrCat("watch ", directory), errno);
  UniqueFd interrupt(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!interrupt.ok()) {
    return PosixStatus(absl::StrCat("watch ", directory, ": eventfd"), errno);
  }
  auto result = std::unique_ptr<ManifestDir>(new ManifestDir(
      std::move(directory), std::move(inotify), std::move(interrupt)));
  result->watch_health_ = watched;
  return result;
}

ManifestDir::ManifestDir(std::string directory, UniqueFd inotify,
                         UniqueFd interrupt)
    : directory_(std::move(directory)),
      inotify_(std::move(inotify)),
      interrupt_(std::move(interrupt)) {}

absl::StatusOr<ClusterState> ManifestDir::List() {
  // First the events (or the look), then the files: a change in between is seen
  // twice, not missed.
  Watch();
  TakeEvents();
  HasChanged();
  absl::StatusOr<ClusterState> state = ReadSettled(directory_);
  if (state.ok()) return state;
  return WithCode(state.status(), absl::StatusCode::kUnavailable);
}

bool ManifestDir::WaitForChange(absl::Duration timeout) {
  const Deadline deadline(timeout);
  for (;;) {
    if (Watch()) return true;  // it (re)appeared: nobody has read it yet
    const absl::Duration left = deadline.Left();
    switch (Poll(watch_ < 0 ? std::min(left, kLookAgain) : left)) {
      case Woken::kInterrupted:
        return false;
      case Woken::kTimeout:
        if (HasChanged()) return true;
        if (deadline.IsOver()) return false;
        continue;
      case Woken::kEvents:
        break;
    }
    if (!TakeEvents()) continue;
    for (int i = 0; i < kMostQuietWaits; ++i) {
      if (Poll(kQuiet) != Woken::kEvents) break;
      TakeEvents();
    }
    return true;
  }
}

void ManifestDir::Interrupt() {
  const uint64_t one = 1;
  // Fails only when the counter is full: then an interrupt is waiting already.
  if (write(interrupt_.get(), &one, sizeof one) < 0) return;
}

bool ManifestDir::Watch() {
  if (watch_ >= 0 || !inotify_.ok()) return false;
  watch_ = inotify_add_watch(inotify_.get(), directory_.c_str(), kEvents);
  const bool is_used_up = watch_ < 0 && (errno == ENOSPC || errno == ENOMEM);
  watch_health_ = is_used_up
                      ? PosixStatus(absl::StrCat("watch ", directory_), errno)
                      : absl::OkStatus();
  return watch_ >= 0;
}

bool ManifestDir::HasChanged() {
  if (watch_health_.ok()) return false;
  absl::StatusOr<Fingerprint> look = LookAt(directory_);
  if (!look.ok()) look = Fingerprint();
  const bool has_changed = *look != last_look_;
  last_look_ = *std::move(look);
  return has_changed;
}

bool ManifestDir::TakeEvents() {
  bool matters = false;
  if (!inotify_.ok()) return false;
  alignas(inotify_event) std::array<char, 16 << 10> buffer;
  for (;;) {
    const ssize_t size = read(inotify_.get(), buffer.data(), buffer.size());
    if (size <= 0) return matters;
    for (ssize_t at = 0; at < size;) {
      inotify_event event = {};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const char* name = buffer.data() + at + sizeof event;
      at += static_cast<ssize_t>(sizeof event + event.len);
      if ((event.mask & IN_Q_OVERFLOW) != 0) {
        matters = true;
      } else if (event.wd != watch_) {
        continue;  // of a directory that was here before
      } else if ((event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT |
                                IN_IGNORED)) != 0) {
        inotify_rm_watch(inotify_.get(), watch_);
        watch_ = -1;
        matters = true;
      } else if (event.len > 0 && Matters(name)) {
        matters = matters || !IsHalfWritten(absl::StrCat(directory_, "/", name),
                                            event.mask);
      }
    }
  }
}

ManifestDir::Woken ManifestDir::Poll(absl::Duration timeout) {
  std::array<pollfd, 2> fds = {pollfd{inotify_.get(), POLLIN, 0},
                               pollfd{interrupt_.get(), POLLIN, 0}};
  // Rounded up: a wait of half a millisecond must not spin.
  const int64_t milliseconds =
      absl::ToInt64Milliseconds(timeout + absl::Nanoseconds(999'999));
  const int n =
      poll(fds.data(), fds.size(),
           static_cast<int>(std::min<int64_t>(milliseconds, 1 << 30)));
  if (n <= 0) return Woken::kTimeout;  // EINTR: the caller looks at its clock
  uint64_t count = 0;
  if ((fds[1].revents & POLLIN) != 0 &&
      read(interrupt_.get(), &count, sizeof count) > 0) {
    return Woken::kInterrupted;
  }
  return Woken::kEvents;
}

}  // namespace oneagent
