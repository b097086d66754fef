#include "csi/reference_volumes.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/confined_path.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "cache/index/reference_layout.h"

namespace oneagent {
namespace {

constexpr int kDirectory = O_PATH | O_DIRECTORY;

// Those of `paths` that are directories below `root`.
std::vector<UniqueFd> OpenAll(int root, const std::vector<std::string>& paths) {
  std::vector<UniqueFd> open;
  for (const std::string& path : paths) {
    absl::StatusOr<UniqueFd> fd = OpenBeneath(root, path, kDirectory);
    if (fd.ok()) open.push_back(*std::move(fd));
  }
  return open;
}

}  // namespace

ReferenceVolumes::ReferenceVolumes(std::string data_dir, Mounter& mounter)
    : data_dir_(std::move(data_dir)), mounter_(mounter) {}

bool ReferenceVolumes::Published(const PublishRequest& request,
                                 const MountTarget& target) const {
  if (data_dir_.empty()) return false;
  const absl::StatusOr<UniqueFd> root = OpenRoot(data_dir_);
  if (!root.ok()) return false;
  if (request.mode == VolumeMode::kApp) {
    return !OpenAll(root->get(),
                    ReferenceVolumeDirs(data_dir_, request.volume_id))
                .empty();
  }
  struct stat shown;
  if (fstatat(target.parent_fd, target.name.c_str(), &shown,
              AT_SYMLINK_NOFOLLOW) != 0) {
    return false;
  }
  for (const UniqueFd& storage : OpenAll(
           root->get(), ReferenceHostStorages(data_dir_, request.dynakube))) {
    struct stat info;
    if (fstat(storage.get(), &info) == 0 && info.st_dev == shown.st_dev &&
        info.st_ino == shown.st_ino) {
      return true;
    }
  }
  return false;
}

absl::Status ReferenceVolumes::UnmountMapped(
    absl::string_view volume_id) const {
  if (data_dir_.empty()) return absl::OkStatus();
  const absl::StatusOr<UniqueFd> root = OpenRoot(data_dir_);
  if (!root.ok()) return absl::OkStatus();
  for (const std::string& path : ReferenceVolumeDirs(data_dir_, volume_id)) {
    const absl::StatusOr<UniqueFd> volume =
        OpenBeneath(root->get(), path, kDirectory);
    if (!volume.ok()) continue;
    RETURN_IF_ERROR(mounter_.Unmount(
        {.parent_fd = volume->get(),
         .name = kReferenceMapped,
         .path = absl::StrCat(data_dir_, "/", path, "/", kReferenceMapped)}));
  }
  return absl::OkStatus();
}

}  // namespace oneagent
