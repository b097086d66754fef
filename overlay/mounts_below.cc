#include "overlay/mounts_below.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "overlay/mount_table.h"

namespace oneagent {
namespace {

// Of a path that somebody else has chosen.
constexpr size_t kMostShown = 300;

// The id that the mount table has of the topmost mount at the target.
std::optional<int64_t> MountIdOf(const MountTarget& target) {
  struct statx info = {};
  if (statx(target.parent_fd, target.name.c_str(),
            AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
            STATX_MNT_ID, &info) != 0 ||
      (info.stx_mask & STATX_MNT_ID) == 0) {
    return std::nullopt;
  }
  return static_cast<int64_t>(info.stx_mnt_id);
}

}  // namespace

absl::Status NameMountsBelow(const absl::Status& busy,
                             const MountTarget& target) {
  const std::optional<int64_t> id = MountIdOf(target);
  const absl::StatusOr<std::vector<MountEntry>> table = ReadMountTable();
  if (!id || !table.ok()) return busy;
  std::string first;
  int others = 0;
  for (const MountEntry& entry : *table) {
    if (entry.parent_id != *id) continue;
    if (first.empty()) {
      first = ShownText(entry.mount_point, kMostShown);
    } else {
      ++others;
    }
  }
  if (first.empty()) return busy;
  return absl::Status(
      busy.code(),
      absl::StrCat(
          busy.message(), ", something is mounted at ", first,
          others > 0 ? absl::StrCat(" and ", others, " more places") : ""));
}

}  // namespace oneagent
