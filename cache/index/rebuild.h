// Makes a new index file in place of a missing or damaged one. To be called
// under the exclusive guard (index.h).
#ifndef CACHE_INDEX_REBUILD_H_
#define CACHE_INDEX_REBUILD_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cache/index/index_file.h"
#include "cache/index/layout.h"

namespace oneagent {

struct Rebuilt {
  std::string set_aside = {};  // path of what was in place; empty: nothing was
  int64_t records = 0;         // rows made from records
  int64_t skipped = 0;         // records that could not be read
  std::string first_skipped = {};  // why, of the first of those
  bool had_volumes = false;  // volumes/ has entries that the mounter fills in
};

// Sequence "rebuild" in rebuild.cc. `now` names what is set aside. Errors:
// PosixStatus, SqliteStatus; called again, it goes on from wherever it
// stopped. A record that cannot be read is no error.
absl::StatusOr<Rebuilt> RebuildIndex(const Layout& layout,
                                     const IndexFile::Options& options,
                                     absl::Time now);

}  // namespace oneagent

#endif  // CACHE_INDEX_REBUILD_H_
