// A daemon's second look at its index: read-only, on a connection of its own,
// so that who shows the index (a scrape) neither waits behind a publish nor
// makes one wait. Waits for other processes no longer than a quarter second.
// For one thread.
#ifndef CACHE_INDEX_INDEX_READER_H_
#define CACHE_INDEX_INDEX_READER_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "cache/index/index.h"

namespace oneagent {

class IndexReader {
 public:
  explicit IndexReader(std::string data_dir) : data_dir_(std::move(data_dir)) {}

  // The index, opened when it can be. Errors: as Index::Open, read-only; the
  // next call tries again. Its calls may answer Unavailable all the same.
  absl::StatusOr<Index*> Get();

 private:
  const std::string data_dir_;
  std::unique_ptr<Index> index_;
};

}  // namespace oneagent

#endif  // CACHE_INDEX_INDEX_READER_H_
