#include "cache/store/writeback.h"

#include <fcntl.h>

#include <utility>

namespace oneagent {
namespace {

constexpr int64_t kBatchBytes = 8 << 20;
constexpr size_t kBatchFiles = 128;  // each holds a descriptor

void Start(int fd, int64_t offset, int64_t length) {
  // Errors on purpose ignored, here and below: this is advice. A failed write
  // shows in the syncfs that follows.
  (void)sync_file_range(fd, offset, length, SYNC_FILE_RANGE_WRITE);
}

void WaitAndDrop(int fd, int64_t offset, int64_t length) {
  if (length == 0) return;
  (void)sync_file_range(fd, offset, length,
                        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                            SYNC_FILE_RANGE_WAIT_AFTER);
  DropFromCache(fd, offset, length);
}

}  // namespace

void DropFromCache(int fd, int64_t offset, int64_t length) {
  (void)posix_fadvise(fd, offset, length, POSIX_FADV_DONTNEED);
}

void Writeback::Grow(int fd, int64_t size) {
  if (size - started_to_ < kBatchBytes) return;
  Start(fd, started_to_, size - started_to_);
  WaitAndDrop(fd, dropped_, started_to_ - dropped_);
  dropped_ = started_to_;
  started_to_ = size;
}

void Writeback::Close(UniqueFd fd, int64_t size) {
  const int64_t rest = size - dropped_;
  if (rest > 0) {
    batch_.push_back({std::move(fd), dropped_, rest});
    batch_bytes_ += rest;
  }
  dropped_ = 0;
  started_to_ = 0;
  if (batch_bytes_ < kBatchBytes && batch_.size() < kBatchFiles) return;
  for (const Range& range : batch_) {
    Start(range.fd.get(), range.offset, range.length);
  }
  for (const Range& range : started_) {
    WaitAndDrop(range.fd.get(), range.offset, range.length);
  }
  started_ = std::exchange(batch_, {});
  batch_bytes_ = 0;
}

}  // namespace oneagent
