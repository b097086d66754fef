#include "cache/store/byte_source.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "cache/store/entry_path.h"
#include "cache/store/writeback.h"

namespace oneagent {
namespace {

constexpr size_t kBufferBytes = 256 << 10;
constexpr int64_t kDropBytes = 8 << 20;

class PassOn final : public ByteSource {
 public:
  explicit PassOn(ByteSource& source) : source_(source) {}
  absl::StatusOr<absl::string_view> Next() override { return source_.Next(); }

 private:
  ByteSource& source_;
};

// gzip by zlib, member after member, each with its checksum and length
// compared.
class GunzipSource final : public ByteSource {
 public:
  explicit GunzipSource(ByteSource& source)
      : source_(source), buffer_(kBufferBytes) {
    constexpr int kGzipWithLargestWindow = 15 + 16;
    ready_ = inflateInit2(&stream_, kGzipWithLargestWindow) == Z_OK;
  }
  ~GunzipSource() override {
    if (ready_) inflateEnd(&stream_);
  }
  GunzipSource(const GunzipSource&) = delete;
  GunzipSource& operator=(const GunzipSource&) = delete;

  absl::StatusOr<absl::string_view> Next() override {
    if (!status_.ok()) return status_;
    absl::StatusOr<absl::string_view> bytes = Inflate();
    status_ = bytes.status();
    return bytes;
  }

 private:
  absl::StatusOr<absl::string_view> Inflate() {
    if (!ready_) return absl::ResourceExhaustedError("gzip: out of memory");
    stream_.next_out = reinterpret_cast<Bytef*>(buffer_.data());
    stream_.avail_out = static_cast<uInt>(buffer_.size());
    while (stream_.avail_out == buffer_.size()) {
      if (stream_.avail_in == 0) {
        ASSIGN_OR_RETURN(const absl::string_view input, source_.Next());
        if (input.empty()) {
          if (between_members_) return absl::string_view();
          return absl::InvalidArgumentError("truncated gzip data");
        }
        // zlib reads what it is given, but its type does not say so.
        stream_.next_in =
            reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
        stream_.avail_in = static_cast<uInt>(input.size());
      }
      between_members_ = false;
      const int result = inflate(&stream_, Z_NO_FLUSH);
      if (result == Z_STREAM_END) {
        between_members_ = true;
        inflateReset(&stream_);
      } else if (result != Z_OK) {
        return absl::InvalidArgumentError(absl::StrCat(
            "damaged gzip data: ",
            stream_.msg == nullptr ? "error in stream" : stream_.msg));
      }
    }
    return absl::string_view(buffer_.data(),
                             buffer_.size() - stream_.avail_out);
  }

  ByteSource& source_;
  std::vector<char> buffer_;
  z_stream stream_ = {};
  bool ready_ = false;
  bool between_members_ = false;
  absl::Status status_;
};

// xz and zstd by libarchive's filters: its "raw" format is their plain output.
class FilterSource final : public ByteSource {
 public:
  FilterSource(ByteSource& source, Compression compression)
      : source_(source), archive_(archive_read_new()) {
    archive_read_support_format_raw(archive_);
    if (compression == Compression::kXz) {
      archive_read_support_filter_xz(archive_);
    } else {
      archive_read_support_filter_zstd(archive_);
    }
  }
  ~FilterSource() override { archive_read_free(archive_); }
  FilterSource(const FilterSource&) = delete;
  FilterSource& operator=(const FilterSource&) = delete;

  absl::StatusOr<absl::string_view> Next() override {
    if (!status_.ok()) return status_;
    absl::StatusOr<absl::string_view> bytes = Read();
    status_ = bytes.status();
    return bytes;
  }

 private:
  absl::StatusOr<absl::string_view> Read() {
    if (!open_) {
      archive_entry* unused;
      if (archive_read_open(archive_, this, nullptr, &Feed, nullptr) !=
              ARCHIVE_OK ||
          archive_read_next_header(archive_, &unused) != ARCHIVE_OK) {
        return Error();
      }
      open_ = true;
    }
    const void* bytes = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    while (size == 0) {
      const int result =
          archive_read_data_block(archive_, &bytes, &size, &offset);
      if (result == ARCHIVE_EOF) return absl::string_view();
      if (result != ARCHIVE_OK) return Error();
    }
    return absl::string_view(static_cast<const char*>(bytes), size);
  }

  absl::Status Error() const {
    if (!source_status_.ok()) return source_status_;
    const char* const text = archive_error_string(archive_);
    return absl::InvalidArgumentError(absl::StrCat(
        "damaged compressed data: ", Printable(text == nullptr ? "" : text)));
  }

  static la_ssize_t Feed(archive* a, void* self_pointer, const void** bytes) {
    auto* const self = static_cast<FilterSource*>(self_pointer);
    const absl::StatusOr<absl::string_view> next = self->source_.Next();
    if (!next.ok()) {
      self->source_status_ = next.status();
      archive_set_error(a, EIO, "read failed");
      return -1;
    }
    *bytes = next->data();
    return static_cast<la_ssize_t>(next->size());
  }

  ByteSource& source_;
  archive* const archive_;
  bool open_ = false;
  absl::Status source_status_;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ArchiveFile>> ArchiveFile::Open(
    const std::string& path, const UnpackProgress& progress) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.ok()) return PosixStatus(absl::StrCat("open ", path), errno);
  struct stat info;
  if (fstat(fd.get(), &info) != 0) {
    return PosixStatus(absl::StrCat("stat ", path), errno);
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError("not a regular file");
  }
  return std::unique_ptr<ArchiveFile>(
      new ArchiveFile(std::move(fd), path, info.st_size, progress));
}

ArchiveFile::ArchiveFile(UniqueFd fd, std::string path, int64_t size,
                         UnpackProgress progress)
    : fd_(std::move(fd)),
      path_(std::move(path)),
      size_(size),
      progress_(std::move(progress)),
      buffer_(kBufferBytes) {}

absl::StatusOr<absl::string_view> ArchiveFile::Next() {
  ssize_t n;
  do {
    n = pread(fd_.get(), buffer_.data(), buffer_.size(), offset_);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return PosixStatus(absl::StrCat("read ", path_), errno);
  offset_ += n;
  if (offset_ - dropped_ >= kDropBytes) {
    DropFromCache(fd_.get(), dropped_, offset_ - dropped_);
    dropped_ = offset_;
  }
  // What is read twice (a zip's directory) must not go beyond the end.
  read_ = std::min(read_ + n, size_);
  if (progress_ && n > 0 && read_ < size_) progress_(read_, size_);
  return absl::string_view(buffer_.data(), static_cast<size_t>(n));
}

absl::StatusOr<std::string> ArchiveFile::Peek(size_t size) const {
  std::string bytes(size, '\0');
  const ssize_t n = pread(fd_.get(), bytes.data(), bytes.size(), 0);
  if (n < 0) return PosixStatus(absl::StrCat("read ", path_), errno);
  bytes.resize(static_cast<size_t>(n));
  return bytes;
}

void ArchiveFile::Finish() {
  DropFromCache(fd_.get(), 0, size_);
  if (progress_) progress_(size_, size_);
}

std::unique_ptr<ByteSource> Decompress(ByteSource& source,
                                       Compression compression) {
  switch (compression) {
    case Compression::kNone:
      break;
    case Compression::kGzip:
      return std::make_unique<GunzipSource>(source);
    case Compression::kXz:
    case Compression::kZstd:
      return std::make_unique<FilterSource>(source, compression);
  }
  return std::make_unique<PassOn>(source);
}

}  // namespace oneagent
