#include "overlay/empty_volume.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "overlay/mount_points.h"
#include "overlay/target_state.h"

// The bytes of preload_stub.cc's library, which the build made before this
// file.
__asm__(
    ".pushsection .rodata\n"
    "oneagent_preload_stub_begin:\n"
    ".incbin \"" ONEAGENT_PRELOAD_STUB
    "\"\n"
    "oneagent_preload_stub_end:\n"
    ".popsection\n");
extern "C" {
extern const char oneagent_preload_stub_begin[]
    __attribute__((visibility("hidden")));
extern const char oneagent_preload_stub_end[]
    __attribute__((visibility("hidden")));
}

namespace oneagent {
namespace {

// A page on most machines; more nobody reads.
constexpr size_t kMarkerLimit = 4096;

// Where pods' LD_PRELOAD looks for the agent.
constexpr char kPreloadPath[] = "agent/lib64/liboneagentproc.so";

absl::Status WriteFile(int root_fd, const char* path, mode_t mode,
                       absl::string_view content) {
  const UniqueFd file(
      openat(root_fd, path,
             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!file.ok() || fchmod(file.get(), mode) != 0) {
    return PosixStatus(absl::StrCat("create ", path), errno);
  }
  const ssize_t written = write(file.get(), content.data(), content.size());
  if (written < 0) return PosixStatus(absl::StrCat("write ", path), errno);
  // tmpfs writes less than asked only when it is full.
  if (static_cast<size_t>(written) != content.size()) {
    return PosixStatus(absl::StrCat("write ", path), ENOSPC);
  }
  return absl::OkStatus();
}

}  // namespace

absl::string_view PreloadStub() {
  return absl::string_view(oneagent_preload_stub_begin,
                           static_cast<size_t>(oneagent_preload_stub_end -
                                               oneagent_preload_stub_begin));
}

absl::Status FillEmptyVolume(int root_fd, const EmptyVolume& volume) {
  const std::string marker =
      absl::StrCat(volume.reason.substr(0, kMarkerLimit - 1), "\n");
  RETURN_IF_ERROR(WriteFile(root_fd, kEmptyMarker, 0444, marker));
  RETURN_IF_ERROR(MakeMountPoints(DescriptorPath(root_fd)));
  if (!volume.has_preload_stub) return absl::OkStatus();
  return WriteFile(root_fd, kPreloadPath, 0755, PreloadStub());
}

}  // namespace oneagent
