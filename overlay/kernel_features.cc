#include "overlay/kernel_features.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "base/confined_path.h"

namespace oneagent {
namespace {

absl::Status Lacks(absl::string_view what) {
  struct utsname name = {};
  (void)uname(&name);
  return absl::UnimplementedError(
      absl::StrCat("Linux ", name.release, ": does not have ", what));
}

}  // namespace

absl::Status CheckKernel() {
  struct statx info = {};
  if (statx(AT_FDCWD, "/", AT_STATX_DONT_SYNC, STATX_TYPE, &info) != 0 ||
      (info.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) == 0) {
    // Guessing by device numbers would miss binds.
    return Lacks(
        "STATX_ATTR_MOUNT_ROOT (Linux 5.8), without which no mount is told "
        "from a directory");
  }
  if (absl::IsUnimplemented(OpenWithoutSymlinks("/", O_PATH).status())) {
    return Lacks(
        "openat2 (Linux 5.6), without which a pod's link could lead a mount "
        "elsewhere");
  }
  return absl::OkStatus();
}

}  // namespace oneagent
