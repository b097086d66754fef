#include "overlay/layer.h"

#include <fcntl.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/confined_path.h"
#include "base/posix_status.h"
#include "base/status_macros.h"

namespace oneagent {
namespace {

bool HasDotDot(absl::string_view path) {
  for (const absl::string_view component : absl::StrSplit(path, '/')) {
    if (component == "..") return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<UniqueFd> OpenLayer(absl::string_view noun,
                                   const std::string& path) {
  absl::StatusOr<UniqueFd> fd =
      HasDotDot(path) ? absl::FailedPreconditionError(
                            absl::StrCat(path, ": leads out of its directory"))
                      : OpenWithoutSymlinks(path, O_PATH | O_DIRECTORY);
  if (fd.ok()) return fd;
  absl::string_view cause = fd.status().message();
  absl::ConsumePrefix(&cause, "open ");
  absl::ConsumePrefix(&cause, path + ": ");
  // What lies on the disk is no fault of whoever asks for the volume.
  return absl::Status(absl::IsFailedPrecondition(fd.status())
                          ? absl::StatusCode::kInternal
                          : fd.status().code(),
                      absl::StrCat(noun, " layer ", path, ": ", cause));
}

absl::StatusOr<OpenLayers> OpenAllLayers(const OverlayPlan& plan) {
  OpenLayers layers;
  for (const std::string& path : plan.lower) {
    ASSIGN_OR_RETURN(UniqueFd fd, OpenLayer("lower", path));
    layers.lower.push_back(std::move(fd));
  }
  if (plan.upper.empty()) return layers;
  ASSIGN_OR_RETURN(layers.upper, OpenLayer("upper", plan.upper));
  ASSIGN_OR_RETURN(layers.work, OpenLayer("work", plan.work));
  return layers;
}

absl::Status CheckWritable(int root_fd) {
  struct statvfs info;
  if (fstatvfs(root_fd, &info) != 0)
    return PosixStatus("statfs overlay", errno);
  if ((info.f_flag & ST_RDONLY) == 0) return absl::OkStatus();
  // An overlay's figures are those of its upper layer's disk. One that does not
  // count its inodes has none to run out of.
  const bool is_full =
      info.f_bfree == 0 || (info.f_files > 0 && info.f_ffree == 0);
  return absl::Status(is_full ? absl::StatusCode::kResourceExhausted
                              : absl::StatusCode::kFailedPrecondition,
                      absl::StrCat("overlay is read-only: its disk ",
                                   is_full ? "is full: No space left on device"
                                           : "cannot hold an upper layer"));
}

}  // namespace oneagent
