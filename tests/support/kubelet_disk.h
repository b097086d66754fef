// What kubelet keeps on disk for the CSI volumes of its pods, and how it takes
// it away again: the paths, vol_data.json, and the deletions with their exact
// limits. Blocking, no state of its own; thread-safe for different pods.
//
//   <kubelet>/pods/<uid>/             0750
//     etc-hosts                       a file of the pod
//     plugins/
//     volumes/kubernetes.io~csi/<volume name>/
//       vol_data.json                 written before the driver is called
//       mount                         the target; the driver makes it
//
// Each function names the kubelet source whose steps it takes.
#ifndef TESTS_SUPPORT_KUBELET_DISK_H_
#define TESTS_SUPPORT_KUBELET_DISK_H_

#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace oneagent {

// One volume of one pod.
struct KubeletVolumeKey {
  std::string pod_uid;
  std::string name;

  bool operator==(const KubeletVolumeKey&) const = default;
  bool operator<(const KubeletVolumeKey& other) const {
    return std::tie(pod_uid, name) < std::tie(other.pod_uid, other.name);
  }
};

// vol_data.json of an inline volume; all of it are strings.
struct VolumeData {
  std::string spec_vol_id;    // the volume's name in the pod
  std::string volume_handle;  // the id that the driver is given
  std::string driver_name;
  std::string node_name;
  std::string attachment_id;

  bool operator==(const VolumeData&) const = default;
};

std::string KubeletPodDir(const std::string& kubelet_dir,
                          const std::string& pod_uid);
// The target's parent.
std::string KubeletVolumeDir(const std::string& kubelet_dir,
                             const KubeletVolumeKey& key);

// What kubelet makes of a pod before it mounts its volumes
// (kubelet_pods.go, makePodDataDirs).
void MakePodDirs(const std::string& kubelet_dir, const std::string& pod_uid);

// os.Create and a JSON encoder, neither fsync nor rename: a power cut may leave
// an empty file (pkg/volume/csi/csi_util.go, saveVolumeData).
absl::Status SaveVolumeData(const std::string& volume_dir,
                            const VolumeData& data);
// NotFound without the file, InvalidArgument when it is no JSON object
// (loadVolumeData). An empty file is none.
absl::StatusOr<VolumeData> LoadVolumeData(const std::string& volume_dir);

// By device numbers of `path` and its parent, as mount-utils'
// IsLikelyNotMountPoint does: does not see a bind within one file system.
// False, too, when there is nothing at `path`.
bool IsLikelyMountPoint(const std::string& path);

// After an unpublish that was OK, and after a final error of publish
// (csi_mounter.go, removeMountDir). Unless something is mounted there: rmdir of
// the target, vol_data.json, rmdir of the volume's directory. OK and nothing
// done when something is. An error when the target is not empty.
absl::Status RemoveMountDir(const std::string& target);

// Names in pods/, and every volume of kubernetes.io~csi below them.
std::vector<std::string> ListPodsOnDisk(const std::string& kubelet_dir);
std::vector<KubeletVolumeKey> ListVolumesOnDisk(const std::string& kubelet_dir);

// Does the disk say that a volume of the pod is mounted (kubelet_getters.go,
// getMountedVolumePathListFromDisk)? Then the pod is not let go.
bool HasMountedVolumes(const std::string& kubelet_dir,
                       const std::string& pod_uid);

// For a pod that nobody knows any more and that has no volume mounted
// (kubelet_volumes.go, cleanupOrphanedPodDirs): rmdir of each target, then of
// the directories of volumes/, which fails on any file there, then everything
// else of the pod. FailedPrecondition naming what is in the way: kubelet says
// so each time and leaves it, for ever.
absl::Status CleanUpOrphanedPodDir(const std::string& kubelet_dir,
                                   const std::string& pod_uid);

}  // namespace oneagent

#endif  // TESTS_SUPPORT_KUBELET_DISK_H_
