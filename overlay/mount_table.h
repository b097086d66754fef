// The mount table of a mount namespace: /proc/<pid>/mountinfo, parsed. Read at
// start, by the CLI's doctor, and to say why an unmount has failed: it costs
// 36 ms at 4000 mounts, so no RPC that succeeds may read it. Pure parser plus
// one reader; thread-safe.
#ifndef OVERLAY_MOUNT_TABLE_H_
#define OVERLAY_MOUNT_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace oneagent {

// The source name that our overlays and empty volumes carry in the table. (A
// bind shows the disk's name instead.)
inline constexpr char kMountSource[] = "oneagent-csi";

struct MountEntry {
  int64_t id = 0;
  int64_t parent_id = 0;
  // Octal escapes are decoded in all but the options. What the kernel appends
  // to a deleted path (" (deleted)", "//deleted") stays: a name may end so too.
  std::string root;
  std::string mount_point;
  std::string options;
  std::string fs_type;
  std::string source;  // may be empty
  std::string super_options;

  bool operator==(const MountEntry&) const = default;
};

// InvalidArgument naming the line's number when a line is not mountinfo.
absl::StatusOr<std::vector<MountEntry>> ParseMountinfo(absl::string_view text);

// This process's table. Unavailable when it cannot be read or parsed.
absl::StatusOr<std::vector<MountEntry>> ReadMountTable();

}  // namespace oneagent

#endif  // OVERLAY_MOUNT_TABLE_H_
