// Volumes that the reference driver, whose name is ours, published on this node
// before us and that pods still use. Nothing of them is on our record; what
// that driver left in its data directory says which they are.
//
// Everything is resolved below that directory and through no link. Thread-safe
// for different volumes.
#ifndef CSI_REFERENCE_VOLUMES_H_
#define CSI_REFERENCE_VOLUMES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "csi/volume_request.h"
#include "overlay/mounter.h"

namespace oneagent {

class ReferenceVolumes {
 public:
  // `data_dir`: that driver's, as this process sees it. It need not exist;
  // empty: there is none. The mounter is borrowed.
  ReferenceVolumes(std::string data_dir, Mounter& mounter);

  // Whether what is mounted on the target was published by that driver for
  // this very volume: mode app by the volume's directory, mode host by what
  // the target shows.
  bool Published(const PublishRequest& request,
                 const MountTarget& target) const;

  // Unmounts what its old versions mounted beside the target, so that no mount
  // outlives the pod. The volume's files are left alone. OK when there is
  // nothing; Unavailable as Mounter::Unmount.
  absl::Status UnmountMapped(absl::string_view volume_id) const;

 private:
  const std::string data_dir_;
  Mounter& mounter_;
};

}  // namespace oneagent

#endif  // CSI_REFERENCE_VOLUMES_H_
