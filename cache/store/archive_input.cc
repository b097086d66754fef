#include "cache/store/archive_input.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "cache/store/entry_path.h"

namespace oneagent {
namespace {

bool HasMagic(const std::string& bytes, absl::string_view magic) {
  return bytes.compare(0, magic.size(), magic.data(), magic.size()) == 0;
}

Compression CompressionOf(const std::string& bytes) {
  if (HasMagic(bytes, "\x1f\x8b")) return Compression::kGzip;
  if (HasMagic(bytes,
               "\xfd"
               "7zXZ"))
    return Compression::kXz;
  if (HasMagic(bytes, "\x28\xb5\x2f\xfd")) return Compression::kZstd;
  return Compression::kNone;
}

}  // namespace

struct ArchiveInput::Feed {
  ByteSource* bytes = nullptr;
  ArchiveFile* file = nullptr;
  absl::Status status;  // of a read that failed

  static la_ssize_t Read(archive* a, void* feed_pointer, const void** bytes) {
    Feed& feed = *static_cast<Feed*>(feed_pointer);
    const absl::StatusOr<absl::string_view> next = feed.bytes->Next();
    if (!next.ok()) {
      feed.status = next.status();
      archive_set_error(a, EIO, "read failed");
      return -1;
    }
    *bytes = next->data();
    return static_cast<la_ssize_t>(next->size());
  }

  // Seek and Skip are for zips alone, whose bytes are the file's.
  static la_int64_t Seek(archive*, void* feed_pointer, la_int64_t offset,
                         int whence) {
    ArchiveFile& file = *static_cast<Feed*>(feed_pointer)->file;
    if (whence == SEEK_CUR) offset += file.offset();
    if (whence == SEEK_END) offset += file.size();
    if (offset < 0 || offset > file.size()) return ARCHIVE_FATAL;
    file.Seek(offset);
    return offset;
  }

  static la_int64_t Skip(archive*, void* feed_pointer, la_int64_t request) {
    ArchiveFile& file = *static_cast<Feed*>(feed_pointer)->file;
    const la_int64_t possible =
        std::min<la_int64_t>(request, file.size() - file.offset());
    if (possible <= 0) return 0;
    file.Seek(file.offset() + possible);
    return possible;
  }
};

absl::StatusOr<std::unique_ptr<ArchiveInput>> ArchiveInput::Open(
    const std::string& path, const UnpackProgress& progress) {
  ASSIGN_OR_RETURN(std::unique_ptr<ArchiveFile> file,
                   ArchiveFile::Open(path, progress));
  std::unique_ptr<ArchiveInput> input(new ArchiveInput(std::move(file)));
  RETURN_IF_ERROR(input->OpenArchive());
  return input;
}

ArchiveInput::ArchiveInput(std::unique_ptr<ArchiveFile> file)
    : file_(std::move(file)),
      feed_(std::make_unique<Feed>()),
      archive_(archive_read_new()) {}

ArchiveInput::~ArchiveInput() { archive_read_free(archive_); }

absl::Status ArchiveInput::OpenArchive() {
  ASSIGN_OR_RETURN(const std::string magic, file_->Peek(6));
  is_zip_ = HasMagic(magic, "PK\x03\x04");
  bytes_ = Decompress(*file_, CompressionOf(magic));
  feed_->bytes = bytes_.get();
  feed_->file = file_.get();
  archive_read_set_callback_data(archive_, feed_.get());
  archive_read_set_read_callback(archive_, &Feed::Read);
  if (is_zip_) {
    // Only by its central directory: without it, a zip that was cut looks
    // complete, and modes are unknown.
    archive_read_support_format_zip_seekable(archive_);
    archive_read_set_seek_callback(archive_, &Feed::Seek);
    archive_read_set_skip_callback(archive_, &Feed::Skip);
  } else {
    archive_read_support_format_tar(archive_);
  }
  if (archive_read_open1(archive_) != ARCHIVE_OK) return Error();
  return absl::OkStatus();
}

absl::Status ArchiveInput::Error() const {
  if (!feed_->status.ok()) return feed_->status;
  const char* const text = archive_error_string(archive_);
  const std::string cause = Printable(text == nullptr ? "damaged" : text);
  if (archive_errno(archive_) == ENOMEM) {
    return absl::ResourceExhaustedError(cause);
  }
  return absl::InvalidArgumentError(cause);
}

absl::StatusOr<archive_entry*> ArchiveInput::NextEntry() {
  const int result = archive_read_next_header(archive_, &entry_);
  entry_bytes_ = 0;
  // A warning means that libarchive guessed: about a name, a size, a checksum.
  if (result == ARCHIVE_OK) return entry_;
  if (result != ARCHIVE_EOF) return Error();
  RETURN_IF_ERROR(CheckEnd());
  return nullptr;
}

absl::Status ArchiveInput::CheckEnd() {
  if (!feed_->status.ok()) return feed_->status;
  if (!is_zip_) {
    // The header position is where the end was found: at a block of zeros,
    // which was consumed, or where there was nothing more.
    if (archive_filter_bytes(archive_, 0) <=
        archive_read_header_position(archive_)) {
      return absl::InvalidArgumentError("truncated tar: no end marker");
    }
    for (;;) {
      ASSIGN_OR_RETURN(const absl::string_view rest, bytes_->Next());
      if (rest.empty()) break;
    }
  }
  file_->Finish();
  return absl::OkStatus();
}

absl::StatusOr<absl::string_view> ArchiveInput::NextBlock() {
  const void* bytes = nullptr;
  size_t size = 0;
  la_int64_t offset = 0;
  while (size == 0) {
    const int result =
        archive_read_data_block(archive_, &bytes, &size, &offset);
    if (result == ARCHIVE_EOF) {
      if (archive_entry_size_is_set(entry_) != 0 &&
          archive_entry_size(entry_) != entry_bytes_) {
        return absl::InvalidArgumentError(
            "content is shorter than announced, or sparse");
      }
      return absl::string_view();
    }
    if (result != ARCHIVE_OK) return Error();
  }
  if (offset != entry_bytes_) {
    return absl::InvalidArgumentError("sparse files are not supported");
  }
  entry_bytes_ += static_cast<int64_t>(size);
  return absl::string_view(static_cast<const char*>(bytes), size);
}

}  // namespace oneagent
