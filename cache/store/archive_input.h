// Reads the entries of an archive by libarchive, and makes sure that the
// archive was whole: checksums of content (zip, gzip, xz, zstd), and that its
// end was reached. libarchive alone would not do: it ignores gzip's checksum,
// takes a tar that was cut between two entries for complete, and stops reading
// at a tar's end marker, before the compressor's own checksum.
//
//   ASSIGN_OR_RETURN(auto input, ArchiveInput::Open(path, progress));
//   for (;;) {
//     ASSIGN_OR_RETURN(archive_entry* const entry, input->NextEntry());
//     if (entry == nullptr) break;        // all read, archive found whole
//     … input->NextBlock() until it is empty …
//   }
//
// Formats: zip with a central directory; tar, plain or gzip, xz, zstd.
// Errors, naming neither archive nor entry: InvalidArgument for a damaged,
// truncated or unknown archive; PosixStatus when it cannot be read. Not
// thread-safe.
#ifndef CACHE_STORE_ARCHIVE_INPUT_H_
#define CACHE_STORE_ARCHIVE_INPUT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cache/store/byte_source.h"
#include "cache/store/unpack.h"

struct archive;
struct archive_entry;

namespace oneagent {

class ArchiveInput {
 public:
  static absl::StatusOr<std::unique_ptr<ArchiveInput>> Open(
      const std::string& path, const UnpackProgress& progress);
  ~ArchiveInput();
  ArchiveInput(const ArchiveInput&) = delete;
  ArchiveInput& operator=(const ArchiveInput&) = delete;

  // The next entry, owned by this and valid until the next call; nullptr at
  // the end of an archive that was whole.
  absl::StatusOr<archive_entry*> NextEntry();

  // The next bytes of the current entry, valid until the next call; empty at
  // its end. Holes in sparse files are refused.
  absl::StatusOr<absl::string_view> NextBlock();

 private:
  struct Feed;  // what libarchive's callbacks work on

  explicit ArchiveInput(std::unique_ptr<ArchiveFile> file);

  absl::Status OpenArchive();
  absl::Status CheckEnd();
  absl::Status Error() const;

  const std::unique_ptr<ArchiveFile> file_;
  std::unique_ptr<ByteSource> bytes_;  // uncompressed tar, or the zip
  const std::unique_ptr<Feed> feed_;
  archive* const archive_;
  archive_entry* entry_ = nullptr;
  int64_t entry_bytes_ = 0;  // of the current entry, read so far
  bool is_zip_ = false;
};

}  // namespace oneagent

#endif  // CACHE_STORE_ARCHIVE_INPUT_H_
