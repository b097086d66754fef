// Starting a download anew ("download"):
// 1. The file is emptied. After a crash here it is empty, and an empty file is
//    not continued, whatever its ETag says.
// 2. The ETag is set, or removed. After a crash here: the same.
// 3. Bytes are appended. After a crash here the file is a beginning of the
//    content that the ETag names, and is continued with it.
#include "cache/source/download_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "cache/http/http_header.h"

namespace oneagent {
namespace {

constexpr char kETagAttribute[] = "user.oneagent.etag";
constexpr size_t kReadBuffer = 1 << 20;
// Dirty pages count against the container's memory limit: that many bytes at
// most wait for the disk.
constexpr int64_t kWritebackWindow = 8 << 20;

// Callers tell refusals of a server by their code: what the local disk refuses
// must not look like one.
absl::Status FileError(absl::string_view object, int error) {
  const absl::Status status = PosixStatus(object, error);
  return status.code() == absl::StatusCode::kResourceExhausted
             ? status
             : WithCode(status, absl::StatusCode::kInternal);
}

std::string ReadETag(int fd) {
  std::string value(1024, '\0');
  const ssize_t size =
      fgetxattr(fd, kETagAttribute, value.data(), value.size());
  // No attribute, no support for attributes: no ETag is known.
  if (size < 0) return "";
  value.resize(static_cast<size_t>(size));
  return std::string(StrongETag(value));
}

}  // namespace

DownloadFile::DownloadFile(std::string path, UniqueFd fd, int64_t size,
                           std::string etag)
    : path_(std::move(path)),
      fd_(std::move(fd)),
      size_(size),
      etag_(std::move(etag)),
      written_back_(size) {}

absl::StatusOr<std::unique_ptr<DownloadFile>> DownloadFile::Open(
    std::string path) {
  // O_NONBLOCK: a fifo in this place must not hold us.
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.ok() && errno == ENOENT) {
    return absl::WrapUnique(
        new DownloadFile(std::move(path), UniqueFd(), 0, ""));
  }
  if (!fd.ok()) return FileError(absl::StrCat("open ", path), errno);
  struct stat status = {};
  if (fstat(fd.get(), &status) != 0) {
    return FileError(absl::StrCat("stat ", path), errno);
  }
  if (!S_ISREG(status.st_mode)) {
    return absl::InternalError(absl::StrCat(path, ": not a regular file"));
  }
  std::string etag = ReadETag(fd.get());
  return absl::WrapUnique(new DownloadFile(std::move(path), std::move(fd),
                                           status.st_size, std::move(etag)));
}

absl::Status DownloadFile::Restart(absl::string_view etag) {
  if (!fd_.ok()) {
    fd_ = UniqueFd(
        open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd_.ok()) return FileError(absl::StrCat("create ", path_), errno);
  }
  if (ftruncate(fd_.get(), 0) != 0) {
    return FileError(absl::StrCat("truncate ", path_), errno);
  }
  size_ = 0;
  written_back_ = 0;
  hash_.emplace();
  Failpoint("download:1");

  etag_.clear();
  if (fremovexattr(fd_.get(), kETagAttribute) != 0 && errno != ENODATA &&
      errno != EOPNOTSUPP) {
    return FileError(absl::StrCat("remove attribute of ", path_), errno);
  }
  // No room or no support for an attribute: the file just has no ETag.
  const std::string strong(StrongETag(etag));
  if (!strong.empty() && fsetxattr(fd_.get(), kETagAttribute, strong.data(),
                                   strong.size(), 0) == 0) {
    etag_ = strong;
  }
  Failpoint("download:2");
  return absl::OkStatus();
}

absl::Status DownloadFile::Resume() {
  if (hash_.has_value()) return absl::OkStatus();
  hash_.emplace();
  std::vector<char> buffer(kReadBuffer);
  for (int64_t at = 0; at < size_;) {
    const size_t wanted =
        std::min(buffer.size(), static_cast<size_t>(size_ - at));
    const ssize_t got = pread(fd_.get(), buffer.data(), wanted, at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      const int error = got < 0 ? errno : EIO;
      hash_.reset();
      return FileError(absl::StrCat("read ", path_), error);
    }
    hash_->Update(absl::string_view(buffer.data(), static_cast<size_t>(got)));
    at += got;
  }
  return absl::OkStatus();
}

absl::Status DownloadFile::Append(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written =
        pwrite(fd_.get(), bytes.data(), bytes.size(), size_);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FileError(absl::StrCat("write ", path_), errno);
    const size_t count = static_cast<size_t>(written);
    hash_->Update(bytes.substr(0, count));
    size_ += written;
    bytes.remove_prefix(count);
  }
  StartWriteback();
  Failpoint("download:3");
  return absl::OkStatus();
}

// Starts writing out each full window and waits for the one before it. Best
// effort: a file system that cannot do it has its own limits.
void DownloadFile::StartWriteback() {
  if (size_ - written_back_ < kWritebackWindow) return;
  sync_file_range(fd_.get(), written_back_, size_ - written_back_,
                  SYNC_FILE_RANGE_WRITE);
  const int64_t before = std::max<int64_t>(0, written_back_ - kWritebackWindow);
  if (before < written_back_) {
    sync_file_range(fd_.get(), before, written_back_ - before,
                    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                        SYNC_FILE_RANGE_WAIT_AFTER);
  }
  written_back_ = size_;
}

std::string DownloadFile::HexDigest() {
  std::string digest = hash_->HexDigest();
  hash_.reset();
  return digest;
}

}  // namespace oneagent
