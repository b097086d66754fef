#include "tests/support/archive_builder.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cstdint>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace oneagent {
namespace {

struct FreeWriter {
  void operator()(archive* a) const { archive_write_free(a); }
};
using Writer = std::unique_ptr<archive, FreeWriter>;
struct FreeEntry {
  void operator()(archive_entry* e) const { archive_entry_free(e); }
};
using EntryPtr = std::unique_ptr<archive_entry, FreeEntry>;

// libarchive translates names by the thread's locale; bytes above 127 need one
// that knows UTF-8.
class Utf8Locale {
 public:
  Utf8Locale()
      : locale_(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)),
        previous_(uselocale(locale_)) {}
  ~Utf8Locale() {
    uselocale(previous_);
    freelocale(locale_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  const locale_t locale_;
  const locale_t previous_;
};

void Check(archive* a, int64_t result, const std::string& what) {
  if (result >= ARCHIVE_OK) return;
  fprintf(stderr, "archive builder: %s: %s\n", what.c_str(),
          archive_error_string(a));
  abort();
}

la_ssize_t Append(archive*, void* sink, const void* bytes, size_t size) {
  static_cast<std::string*>(sink)->append(static_cast<const char*>(bytes),
                                          size);
  return static_cast<la_ssize_t>(size);
}

void SetFormat(archive* a, ArchiveFormat format) {
  switch (format) {
    case ArchiveFormat::kZip:
      Check(a, archive_write_set_format_zip(a), "zip");
      return;
    case ArchiveFormat::kZipStored:
      Check(a, archive_write_set_format_zip(a), "zip");
      Check(a, archive_write_zip_set_compression_store(a), "store");
      return;
    case ArchiveFormat::kZip64:
      Check(a, archive_write_set_format_zip(a), "zip");
      Check(a, archive_write_set_options(a, "zip:zip64"), "zip64");
      return;
    case ArchiveFormat::kTar:
      break;
    case ArchiveFormat::kTarGzip:
      Check(a, archive_write_add_filter_gzip(a), "gzip");
      break;
    case ArchiveFormat::kTarXz:
      Check(a, archive_write_add_filter_xz(a), "xz");
      break;
    case ArchiveFormat::kTarZstd:
      Check(a, archive_write_add_filter_zstd(a), "zstd");
      break;
  }
  Check(a, archive_write_set_format_pax_restricted(a), "tar");
}

}  // namespace

ArchiveBuilder& ArchiveBuilder::File(absl::string_view path,
                                     absl::string_view content, mode_t mode) {
  entries_.push_back({.path = std::string(path),
                      .type_and_mode = S_IFREG | mode,
                      .content = std::string(content),
                      .link = {}});
  return *this;
}

ArchiveBuilder& ArchiveBuilder::Directory(absl::string_view path, mode_t mode) {
  entries_.push_back({.path = std::string(path),
                      .type_and_mode = S_IFDIR | mode,
                      .content = {},
                      .link = {}});
  return *this;
}

ArchiveBuilder& ArchiveBuilder::Symlink(absl::string_view path,
                                        absl::string_view target) {
  entries_.push_back({.path = std::string(path),
                      .type_and_mode = S_IFLNK | 0777,
                      .content = {},
                      .link = std::string(target)});
  return *this;
}

ArchiveBuilder& ArchiveBuilder::HardLink(absl::string_view path,
                                         absl::string_view target) {
  entries_.push_back({.path = std::string(path),
                      .type_and_mode = S_IFREG | 0644,
                      .content = {},
                      .link = std::string(target),
                      .is_hard_link = true});
  return *this;
}

ArchiveBuilder& ArchiveBuilder::Fifo(absl::string_view path) {
  entries_.push_back({.path = std::string(path),
                      .type_and_mode = S_IFIFO | 0644,
                      .content = {},
                      .link = {}});
  return *this;
}

ArchiveBuilder& ArchiveBuilder::Device(absl::string_view path) {
  entries_.push_back({.path = std::string(path),
                      .type_and_mode = S_IFCHR | 0644,
                      .content = {},
                      .link = {}});
  return *this;
}

std::string ArchiveBuilder::Build(ArchiveFormat format) const {
  const Utf8Locale locale;
  std::string bytes;
  const Writer writer(archive_write_new());
  archive* const a = writer.get();
  SetFormat(a, format);
  archive_write_set_bytes_in_last_block(a, 1);
  Check(a, archive_write_open(a, &bytes, nullptr, Append, nullptr), "open");
  for (const Entry& entry : entries_) {
    const EntryPtr header(archive_entry_new());
    archive_entry* const h = header.get();
    archive_entry_set_pathname(h, entry.path.c_str());
    archive_entry_set_mode(h, entry.type_and_mode);
    archive_entry_set_mtime(h, 1600000000, 0);
    archive_entry_set_size(h, static_cast<int64_t>(entry.content.size()));
    if (S_ISCHR(entry.type_and_mode)) archive_entry_set_rdev(h, 0x103);
    if (entry.is_hard_link) {
      archive_entry_set_hardlink(h, entry.link.c_str());
    } else if (S_ISLNK(entry.type_and_mode)) {
      archive_entry_set_symlink(h, entry.link.c_str());
    }
    Check(a, archive_write_header(a, h), entry.path);
    if (!entry.content.empty()) {
      Check(a,
            archive_write_data(a, entry.content.data(), entry.content.size()),
            entry.path);
    }
  }
  Check(a, archive_write_close(a), "close");
  return bytes;
}

void ArchiveBuilder::Write(ArchiveFormat format,
                           const std::string& path) const {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << Build(format);
  out.close();
  if (out.good()) return;
  fprintf(stderr, "archive builder: cannot write %s\n", path.c_str());
  abort();
}

}  // namespace oneagent
