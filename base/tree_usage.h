// How much a directory tree takes, counted within bounds, because what is in
// it was made by a pod.
#ifndef BASE_TREE_USAGE_H_
#define BASE_TREE_USAGE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace oneagent {

struct TreeUsage {
  int64_t bytes = 0;     // allocated (st_blocks * 512), hard links once
  int64_t inodes = 0;    // entries below the root
  bool complete = true;  // false: a bound was met, the numbers are a minimum

  bool operator==(const TreeUsage&) const = default;
};

// Counts below `root`, at most `max_entries` entries and 64 levels. Walks by
// descriptors, follows no link, stays in one file system. Entries that vanish
// meanwhile are left out. NotFound when there is no such directory; else
// PosixStatus of the root. Thread-safe.
absl::StatusOr<TreeUsage> CountTree(const std::string& root,
                                    int64_t max_entries);

}  // namespace oneagent

#endif  // BASE_TREE_USAGE_H_
