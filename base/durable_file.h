// Small whole files, read and replaced atomically.
//
// Crash rule: after WriteFileAtomically returns OK with kSync, the new content
// is what a reboot finds; at any earlier moment a reader finds the old content
// or none, never a part. Thread-safe for different paths; two writers of one
// path leave one of the two contents.
#ifndef BASE_DURABLE_FILE_H_
#define BASE_DURABLE_FILE_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace oneagent {

enum class Durability {
  kSync,    // fsync of file and directory: survives a power cut
  kNoSync,  // survives the death of the process only
};

// Replaces `path` by `content` through a temporary file in the same directory
// (named `.<name>.tmp-<pid>-<n>`), mode `mode` exactly (umask does not apply).
// Errors: PosixStatus of the failing call, the temporary file removed.
absl::Status WriteFileAtomically(const std::string& path,
                                 absl::string_view content, mode_t mode,
                                 Durability durability);

// The whole file. NotFound, PosixStatus of the failing call, or
// ResourceExhausted when it is larger than `limit` bytes. Follows a symlink as
// the last component only when asked to, as for a file that kubelet mounts.
enum class LastLink { kRefuse, kFollow };
absl::StatusOr<std::string> ReadWholeFile(
    const std::string& path, int64_t limit = 64 << 20,
    LastLink last_link = LastLink::kRefuse);

// O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC open of a directory.
absl::StatusOr<UniqueFd> OpenDirectory(const std::string& path);

// fsync of a directory, so that renames in it are on disk.
absl::Status SyncDirectory(const std::string& path);

// mkdir of one directory with exactly `mode`; an existing directory is OK and
// gets that mode. Errors: PosixStatus; FailedPrecondition when the path is
// something else than a directory.
absl::Status EnsureDirectory(const std::string& path, mode_t mode);

// Unlinks a file; a missing one is OK.
absl::Status RemoveFileIfPresent(const std::string& path);

// True when something (of any type, a dangling link too) is at `path`.
absl::StatusOr<bool> PathExists(const std::string& path);

// Names in a directory but "." and "..", sorted.
absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path);

}  // namespace oneagent

#endif  // BASE_DURABLE_FILE_H_
