// The file that a body goes to: continued, started anew, hashed on the way.
//
// The ETag of what is in the file is kept in its extended attribute
// "user.oneagent.etag", so that it can neither outlive the file nor be taken
// for another one's. On a file system without such attributes no ETag is ever
// known, and a continued file is only as good as its Content-Range.
//
// Used by one thread at a time; nobody else writes to the file. Errors of all
// calls: ResourceExhausted when the disk is full, else Internal.
#ifndef CACHE_SOURCE_DOWNLOAD_FILE_H_
#define CACHE_SOURCE_DOWNLOAD_FILE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/sha256.h"
#include "base/unique_fd.h"

namespace oneagent {

class DownloadFile {
 public:
  // Opens what is there: a regular file (no link is followed), or nothing,
  // which is as good as an empty file.
  static absl::StatusOr<std::unique_ptr<DownloadFile>> Open(std::string path);

  int64_t size() const { return size_; }
  // Strong ETag of the content; "" when none is known.
  const std::string& etag() const { return etag_; }

  // Empties the file, or makes it (0600); what is appended next belongs to
  // `etag` ("" for none).
  absl::Status Restart(absl::string_view etag);
  // Takes the content as the beginning of what is appended next.
  absl::Status Resume();
  // Only after Restart or Resume. What fitted on a disk that is full now is in
  // the file.
  absl::Status Append(absl::string_view bytes);
  // SHA-256 of the file in hex, after the last Append; reads no file.
  std::string HexDigest();

 private:
  DownloadFile(std::string path, UniqueFd fd, int64_t size, std::string etag);
  void StartWriteback();

  const std::string path_;
  UniqueFd fd_;  // none until there is a file
  int64_t size_;
  std::string etag_;
  std::optional<Sha256> hash_;  // of all `size_` bytes, when set
  int64_t written_back_;        // bytes whose writing to disk has begun
};

}  // namespace oneagent

#endif  // CACHE_SOURCE_DOWNLOAD_FILE_H_
