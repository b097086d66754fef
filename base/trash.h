// Deleting a tree in two steps: rename into a trash directory on the same file
// system (0.1 ms, atomic), then delete in the background. A process that dies
// between the two leaves the tree in the trash, where the next run finds it.
//
// The deletion walks by directory descriptors, follows no link, never crosses
// into another mount (be it of the same file system), and copes with
// directories without permissions as far as the caller's capabilities allow.
// Its memory and its descriptors are
// bounded, however many files a directory has and however deep the tree is (a
// hostile pod made it): names are removed while they are read, and what is too
// deep is renamed to the top of the tree first. Thread-safe.
#ifndef BASE_TRASH_H_
#define BASE_TRASH_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace oneagent {

// Renames `path` to `<trash_dir>/<name>-<n>`: n is the time in milliseconds by
// the boot's clock, or the next number that is free. A missing `path` is OK.
// Errors: PosixStatus.
absl::Status MoveToTrash(const std::string& path, const std::string& trash_dir);

// How long something of that name has been in a trash. Counted by
// CLOCK_BOOTTIME, which nobody sets: by the wall clock what was moved while
// that was ahead would stay until then. What lies ahead of the boot's clock is
// of another boot, as is a name that MoveToTrash did not make: infinitely old.
// (What is of another boot and lies behind it seems younger than it is, by
// which it waits for no longer than what is moved now.)
absl::Duration TrashAge(absl::string_view name);

struct TrashResult {
  int64_t trees = 0;  // entries removed completely
  int64_t bytes = 0;  // allocated bytes of removed files (st_blocks * 512)
};

// Deletes every entry of `trash_dir` whose TrashAge is `least_age` or more.
// Goes on after an entry that fails; the first error is returned at the end,
// annotated with that entry (what is left is tried again next time). `stopped`,
// if given, is asked before each file: once it is true, the result so far is
// returned, and the rest is left for the next run.
absl::StatusOr<TrashResult> EmptyTrash(
    const std::string& trash_dir, absl::Duration least_age,
    const std::function<bool()>& stopped = {});

// Deletes one tree (or file) in place; a missing one is OK. For directories
// that nobody else can see, such as staging.
absl::Status DeleteTree(const std::string& path);

// As DeleteTree, for `name` (one component) in `parent_fd`, whose path is
// `directory`. FailedPrecondition when a directory is mounted on it or in it.
absl::Status DeleteTreeAt(int parent_fd, const std::string& directory,
                          const std::string& name);

}  // namespace oneagent

#endif  // BASE_TRASH_H_
