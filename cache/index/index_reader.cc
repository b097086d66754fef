#include "cache/index/index_reader.h"

#include "absl/time/time.h"
#include "base/status_macros.h"

namespace oneagent {

absl::StatusOr<Index*> IndexReader::Get() {
  if (index_ == nullptr) {
    ASSIGN_OR_RETURN(index_,
                     Index::Open({.data_dir = data_dir_,
                                  .read_only = true,
                                  .busy_timeout = absl::Milliseconds(250),
                                  .busy_pause = absl::Seconds(1)}));
  }
  return index_.get();
}

}  // namespace oneagent
