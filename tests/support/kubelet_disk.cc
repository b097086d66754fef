#include "tests/support/kubelet_disk.h"

#include <google/protobuf/struct.pb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "overlay/mount_table.h"
#include "proto/json.h"
#include "tests/support/csi_client.h"

namespace oneagent {
namespace {

constexpr char kVolumeData[] = "vol_data.json";
constexpr char kCsiVolumes[] = "/volumes/kubernetes.io~csi";

std::vector<std::string> NamesIn(const std::string& directory) {
  return ListDirectory(directory).value_or(std::vector<std::string>());
}

// What is there already removed counts as removed.
absl::Status Remove(const std::string& path, int (*remove)(const char*)) {
  if (remove(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return absl::FailedPreconditionError(
      PosixStatus(absl::StrCat("remove ", path), errno).message());
}

// IsNotMountPoint: device numbers first, and the mount table where they say no.
absl::StatusOr<bool> IsMountPoint(const std::string& path) {
  if (IsLikelyMountPoint(path)) return true;
  ASSIGN_OR_RETURN(const std::vector<MountEntry> mounts, ReadMountTable());
  for (const MountEntry& mount : mounts) {
    if (mount.mount_point == path) return true;
  }
  return false;
}

// RemoveDirsOneFilesystem: directories alone, and none that is mounted.
absl::Status RemoveDirs(const std::string& directory) {
  for (const std::string& name : NamesIn(directory)) {
    const std::string path = absl::StrCat(directory, "/", name);
    struct stat info;
    if (lstat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
      return absl::FailedPreconditionError(
          absl::StrCat("remove ", path, ": not a directory"));
    }
    if (IsLikelyMountPoint(path)) {
      return absl::FailedPreconditionError(
          absl::StrCat("remove ", path, ": is a mount point"));
    }
    RETURN_IF_ERROR(RemoveDirs(path));
  }
  return Remove(directory, rmdir);
}

std::string Field(const google::protobuf::Struct& object, const char* key) {
  const auto found = object.fields().find(key);
  return found == object.fields().end() ? "" : found->second.string_value();
}

}  // namespace

std::string KubeletPodDir(const std::string& kubelet_dir,
                          const std::string& pod_uid) {
  return absl::StrCat(kubelet_dir, "/pods/", pod_uid);
}

std::string KubeletVolumeDir(const std::string& kubelet_dir,
                             const KubeletVolumeKey& key) {
  return absl::StrCat(KubeletPodDir(kubelet_dir, key.pod_uid), kCsiVolumes, "/",
                      key.name);
}

void MakePodDirs(const std::string& kubelet_dir, const std::string& pod_uid) {
  const std::string pod_dir = KubeletPodDir(kubelet_dir, pod_uid);
  MakeKubeletDirs(absl::StrCat(pod_dir, "/volumes/"));
  MakeKubeletDirs(absl::StrCat(pod_dir, "/plugins/"));
  std::ofstream(absl::StrCat(pod_dir, "/etc-hosts")) << "127.0.0.1 localhost\n";
}

absl::Status SaveVolumeData(const std::string& volume_dir,
                            const VolumeData& data) {
  // A map of strings, whose keys Go's encoder sorts.
  std::ofstream out(absl::StrCat(volume_dir, "/", kVolumeData));
  out << "{\"attachmentID\":\"" << data.attachment_id << "\",\"driverName\":\""
      << data.driver_name << "\",\"nodeName\":\"" << data.node_name
      << "\",\"specVolID\":\"" << data.spec_vol_id << "\",\"volumeHandle\":\""
      << data.volume_handle << "\",\"volumeLifecycleMode\":\"Ephemeral\"}\n";
  out.close();
  if (out.good()) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("write ", volume_dir, "/", kVolumeData, ": stream failed"));
}

absl::StatusOr<VolumeData> LoadVolumeData(const std::string& volume_dir) {
  const std::string path = absl::StrCat(volume_dir, "/", kVolumeData);
  ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(path));
  google::protobuf::Struct object;
  absl::Status parsed = text.empty() ? absl::InvalidArgumentError("EOF")
                                     : ParseJson(text, &object);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("failed to parse ", path, ": ", parsed.message()));
  }
  return VolumeData{.spec_vol_id = Field(object, "specVolID"),
                    .volume_handle = Field(object, "volumeHandle"),
                    .driver_name = Field(object, "driverName"),
                    .node_name = Field(object, "nodeName"),
                    .attachment_id = Field(object, "attachmentID")};
}

bool IsLikelyMountPoint(const std::string& path) {
  struct stat own;
  struct stat parent;
  const std::string above = path.substr(0, path.rfind('/'));
  return stat(path.c_str(), &own) == 0 && stat(above.c_str(), &parent) == 0 &&
         own.st_dev != parent.st_dev;
}

absl::Status RemoveMountDir(const std::string& target) {
  ASSIGN_OR_RETURN(const bool mounted, IsMountPoint(target));
  if (mounted) return absl::OkStatus();
  const std::string volume_dir = target.substr(0, target.rfind('/'));
  RETURN_IF_ERROR(Remove(target, rmdir));
  RETURN_IF_ERROR(Remove(absl::StrCat(volume_dir, "/", kVolumeData), unlink));
  return Remove(volume_dir, rmdir);
}

std::vector<std::string> ListPodsOnDisk(const std::string& kubelet_dir) {
  return NamesIn(absl::StrCat(kubelet_dir, "/pods"));
}

std::vector<KubeletVolumeKey> ListVolumesOnDisk(
    const std::string& kubelet_dir) {
  std::vector<KubeletVolumeKey> found;
  for (const std::string& uid : ListPodsOnDisk(kubelet_dir)) {
    for (const std::string& name :
         NamesIn(absl::StrCat(KubeletPodDir(kubelet_dir, uid), kCsiVolumes))) {
      found.push_back({.pod_uid = uid, .name = name});
    }
  }
  return found;
}

bool HasMountedVolumes(const std::string& kubelet_dir,
                       const std::string& pod_uid) {
  const std::string volumes =
      absl::StrCat(KubeletPodDir(kubelet_dir, pod_uid), kCsiVolumes);
  for (const std::string& name : NamesIn(volumes)) {
    if (IsLikelyMountPoint(absl::StrCat(volumes, "/", name, "/mount"))) {
      return true;
    }
  }
  return false;
}

absl::Status CleanUpOrphanedPodDir(const std::string& kubelet_dir,
                                   const std::string& pod_uid) {
  const std::string pod_dir = KubeletPodDir(kubelet_dir, pod_uid);
  const std::string volumes = absl::StrCat(pod_dir, kCsiVolumes);
  for (const std::string& name : NamesIn(volumes)) {
    RETURN_IF_ERROR(Remove(absl::StrCat(volumes, "/", name, "/mount"), rmdir));
  }
  RETURN_IF_ERROR(RemoveDirs(absl::StrCat(pod_dir, "/volumes")));
  for (const std::string& name : NamesIn(pod_dir)) {
    std::error_code error;
    std::filesystem::remove_all(absl::StrCat(pod_dir, "/", name), error);
    if (error) {
      return absl::FailedPreconditionError(
          absl::StrCat("remove ", pod_dir, "/", name, ": ", error.message()));
    }
  }
  return Remove(pod_dir, rmdir);
}

}  // namespace oneagent
