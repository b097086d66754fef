// Where an archive's bytes come from: the file, and decompressors on top of
// it that read to the very end and check what there is to check. Not
// thread-safe.
#ifndef CACHE_STORE_BYTE_SOURCE_H_
#define CACHE_STORE_BYTE_SOURCE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "cache/store/unpack.h"

namespace oneagent {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // The next bytes, valid until the next call; empty at the end, again and
  // again. InvalidArgument for damaged data, PosixStatus for a failed read;
  // the same error again on further calls.
  virtual absl::StatusOr<absl::string_view> Next() = 0;
};

// The archive itself. Reports progress and does not keep what it has read in
// the page cache.
class ArchiveFile final : public ByteSource {
 public:
  // `path` must be a regular file and no link.
  static absl::StatusOr<std::unique_ptr<ArchiveFile>> Open(
      const std::string& path, const UnpackProgress& progress);

  absl::StatusOr<absl::string_view> Next() override;
  // The first bytes (fewer when the file is shorter), without moving on.
  absl::StatusOr<std::string> Peek(size_t size) const;
  // Moves to an absolute offset.
  void Seek(int64_t offset) { offset_ = dropped_ = offset; }
  int64_t offset() const { return offset_; }
  int64_t size() const { return size_; }
  // Says that all is read.
  void Finish();

 private:
  ArchiveFile(UniqueFd fd, std::string path, int64_t size,
              UnpackProgress progress);

  const UniqueFd fd_;
  const std::string path_;
  const int64_t size_;
  const UnpackProgress progress_;
  std::vector<char> buffer_;
  int64_t offset_ = 0;
  int64_t dropped_ = 0;  // from the page cache, up to here
  int64_t read_ = 0;     // in all: progress never goes back
};

enum class Compression { kNone, kGzip, kXz, kZstd };

// Decompresses `source` (borrowed, must outlive it); kNone passes it on.
std::unique_ptr<ByteSource> Decompress(ByteSource& source,
                                       Compression compression);

}  // namespace oneagent

#endif  // CACHE_STORE_BYTE_SOURCE_H_
