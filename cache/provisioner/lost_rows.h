// Compares what is on disk with the index, which may have been replaced.
#ifndef CACHE_PROVISIONER_LOST_ROWS_H_
#define CACHE_PROVISIONER_LOST_ROWS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cache/index/index.h"
#include "cache/index/layout.h"

namespace oneagent {

// Whether an agent, config or DynaKube on disk has no row. A commit that is
// under way looks so, too. Errors: those of listing directories, the index's.
absl::StatusOr<bool> RowsAreMissing(const Layout& layout, Index& index);

// The DynaKubes that were ready, but whose agent or config the index does not
// have any more.
absl::StatusOr<std::vector<std::string>> DynaKubesInNeed(Index& index);

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_LOST_ROWS_H_
