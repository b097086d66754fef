// Keeps writers of all threads and processes apart.
#ifndef CACHE_STORE_TREE_LOCK_H_
#define CACHE_STORE_TREE_LOCK_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/unique_fd.h"

namespace oneagent {

// Much longer than anything that is done under the lock.
inline constexpr absl::Duration kLongestLockWait = absl::Seconds(30);

// Waits for the exclusive flock(2) of agents/, configs/ or tenants/; held as
// long as the descriptor. Gone with its process, however that ends. Errors:
// Unavailable when somebody has held it for `longest_wait`, else PosixStatus.
absl::StatusOr<UniqueFd> LockTrees(
    const std::string& directory,
    absl::Duration longest_wait = kLongestLockWait);

}  // namespace oneagent

#endif  // CACHE_STORE_TREE_LOCK_H_
