// What an empty volume holds. Internal to this folder.
#ifndef OVERLAY_EMPTY_VOLUME_H_
#define OVERLAY_EMPTY_VOLUME_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "overlay/mounter.h"

namespace oneagent {

// Options of the tmpfs. Room for the marker and the library in pages of 64 KiB,
// and some for the pod, whose memory it is: the kernel charges who writes.
struct TmpfsOption {
  const char* key;
  const char* value;
};
inline constexpr TmpfsOption kEmptyVolumeOptions[] = {
    {"size", "1m"}, {"nr_inodes", "256"}, {"mode", "0755"}};

// The library that stands in for the agent's.
absl::string_view PreloadStub();

// Writes all of `volume` but its being read-only into the directory `root_fd`,
// the root of a new tmpfs. Modes do not depend on the umask. Errors:
// PosixStatus.
absl::Status FillEmptyVolume(int root_fd, const EmptyVolume& volume);

}  // namespace oneagent

#endif  // OVERLAY_EMPTY_VOLUME_H_
