#include "cache/inspect/measure.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <climits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/confined_path.h"
#include "base/unique_fd.h"

namespace oneagent {
namespace {

class Measurement {
 public:
  Measurement(int root_fd, const struct stat& root)
      : root_fd_(root_fd), device_(root.st_dev) {
    // Directories still to read, by their path below the root: a descriptor
    // for each level would run out in a pod's deep tree.
    waiting_.emplace_back(".");
  }

  MeasuredTree Run() {
    while (!waiting_.empty()) {
      const std::string directory = std::move(waiting_.back());
      waiting_.pop_back();
      ReadDirectory(directory);
    }
    return result_;
  }

 private:
  void Count(const struct stat& info) {
    if (!S_ISDIR(info.st_mode) && info.st_nlink > 1 &&
        !linked_.insert(info.st_ino).second) {
      return;
    }
    result_.bytes += info.st_blocks * 512;
  }

  void ReadDirectory(const std::string& directory) {
    absl::StatusOr<UniqueFd> fd =
        OpenBeneath(root_fd_, directory, O_RDONLY | O_DIRECTORY);
    DIR* const stream = fd.ok() ? fdopendir(fd->get()) : nullptr;
    if (stream == nullptr) {
      // Deleted meanwhile is not incomplete; refused is.
      result_.complete &= absl::IsNotFound(fd.status());
      return;
    }
    const int stream_fd = fd->Release();  // closedir closes it
    while (const dirent* const entry = readdir(stream)) {
      const absl::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      struct stat info;
      if (fstatat(stream_fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        result_.complete &= errno == ENOENT;
        continue;
      }
      if (info.st_dev != device_) continue;
      Count(info);
      if (S_ISDIR(info.st_mode)) Enqueue(directory, name);
    }
    closedir(stream);
  }

  void Enqueue(const std::string& directory, absl::string_view name) {
    std::string path = absl::StrCat(directory, "/", name);
    if (path.size() >= PATH_MAX) {
      result_.complete = false;
    } else {
      waiting_.push_back(std::move(path));
    }
  }

  const int root_fd_;
  const dev_t device_;
  std::vector<std::string> waiting_;
  std::set<ino_t> linked_;
  MeasuredTree result_;
};

}  // namespace

MeasuredTree MeasureTree(const std::string& root) {
  const UniqueFd fd(
      open(root.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.ok()) return {.bytes = 0, .complete = errno == ENOENT};
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return {.bytes = 0, .complete = false};
  return Measurement(fd.get(), info).Run();
}

}  // namespace oneagent
