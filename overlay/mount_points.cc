#include "overlay/mount_points.h"

#include <sys/stat.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/status_macros.h"

namespace oneagent {
namespace {

struct MountPoint {
  const char* path;
  mode_t mode;
};

// Modes as in the trees of agents, whose processes run as any user.
constexpr MountPoint kMountPoints[] = {
    {"agent", 0755},       {"agent/conf", 0755}, {"agent/lib64", 0755},
    {"datastorage", 0755}, {"log", 01777},
};

}  // namespace

absl::Status MakeMountPoints(const std::string& root) {
  for (const MountPoint& point : kMountPoints) {
    RETURN_IF_ERROR(
        EnsureDirectory(absl::StrCat(root, "/", point.path), point.mode));
  }
  return absl::OkStatus();
}

}  // namespace oneagent
