// Opening paths that somebody hostile may have prepared: every component is
// resolved by openat2(2) (Linux 5.6) below a directory that is already open,
// no symlink is followed and nothing leads out. Thread-safe.
#ifndef BASE_CONFINED_PATH_H_
#define BASE_CONFINED_PATH_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace oneagent {

// openat2(root_fd, relative_path, flags | O_CLOEXEC) with RESOLVE_BENEATH,
// RESOLVE_NO_SYMLINKS and RESOLVE_NO_MAGICLINKS. `mode` for O_CREAT.
// Errors: InvalidArgument for an empty, absolute or NUL-carrying path;
// FailedPrecondition when a component is a symlink (ELOOP) or the path leads
// out of the root (EXDEV); else PosixStatus.
absl::StatusOr<UniqueFd> OpenBeneath(int root_fd,
                                     absl::string_view relative_path, int flags,
                                     uint32_t mode = 0);

// As OpenBeneath, from an absolute directory whose own path may be a symlink
// (kubelet roots are, in places): `root` is resolved normally, once.
absl::StatusOr<UniqueFd> OpenRoot(const std::string& root);

// As OpenBeneath for an absolute path, confined only by "no symlink in any
// component" (RESOLVE_NO_SYMLINKS from "/").
absl::StatusOr<UniqueFd> OpenWithoutSymlinks(absl::string_view absolute_path,
                                             int flags);

// The absolute path that `path` resolves to; its last components need not be
// there. `path` itself when it cannot be resolved.
std::string ResolveSymlinks(const std::string& path);

}  // namespace oneagent

#endif  // BASE_CONFINED_PATH_H_
