// Keeps the page cache that writing a tree leaves behind small. A container's
// memory limit counts that cache; without a bound, unpacking 1 GB under a
// limit of 256 MiB stalls in reclaim or ends in an OOM kill.
//
// Written ranges are started to disk in batches of 8 MiB; a batch is waited
// for, and dropped from the cache, only when the next one is full, so that
// writing and unpacking overlap. Nothing here makes data durable: the caller
// syncs once at the end. Not thread-safe.
#ifndef CACHE_STORE_WRITEBACK_H_
#define CACHE_STORE_WRITEBACK_H_

#include <cstdint>
#include <vector>

#include "base/unique_fd.h"

namespace oneagent {

class Writeback {
 public:
  // `size` bytes of the open file `fd`, the only one being written, are
  // written by now.
  void Grow(int fd, int64_t size);
  // The file that grew is complete.
  void Close(UniqueFd fd, int64_t size);

 private:
  struct Range {
    UniqueFd fd;
    int64_t offset;
    int64_t length;
  };

  std::vector<Range> batch_;  // complete, not started
  int64_t batch_bytes_ = 0;
  std::vector<Range> started_;  // on the way to disk
  // Of the file being written: up to where it was dropped and started.
  int64_t dropped_ = 0;
  int64_t started_to_ = 0;
};

// Drops a range that was only read (or is clean) from the page cache.
void DropFromCache(int fd, int64_t offset, int64_t length);

}  // namespace oneagent

#endif  // CACHE_STORE_WRITEBACK_H_
