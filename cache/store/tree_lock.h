// Keeps commits and removals of all threads and processes apart.
#ifndef CACHE_STORE_TREE_LOCK_H_
#define CACHE_STORE_TREE_LOCK_H_

#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace oneagent {

// Waits for the exclusive flock(2) of agents/ or configs/; held as long as the
// descriptor. Gone with its process, however that ends. PosixStatus.
absl::StatusOr<UniqueFd> LockTrees(const std::string& directory);

}  // namespace oneagent

#endif  // CACHE_STORE_TREE_LOCK_H_
