// Makes archives for tests, also such as no honest tool would make: entries
// of any path, mode and type are written as they are said.
//
//   const std::string zip = ArchiveBuilder()
//                               .File("agent/lib64/lib.so", "elf", 0755)
//                               .Symlink("evil", "../../etc")
//                               .Build(ArchiveFormat::kZip);
//
// Directories appear in the archive only where Directory() says so. Not
// thread-safe; what libarchive refuses aborts with its text (a broken test).
#ifndef TESTS_SUPPORT_ARCHIVE_BUILDER_H_
#define TESTS_SUPPORT_ARCHIVE_BUILDER_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace oneagent {

enum class ArchiveFormat {
  kZip,        // deflate, lengths after the data (data descriptors)
  kZipStored,  // content uncompressed: can be damaged at a known place
  kZip64,      // deflate with 64 bit headers throughout
  kTar,
  kTarGzip,
  kTarXz,
  kTarZstd,
};

class ArchiveBuilder {
 public:
  ArchiveBuilder& File(absl::string_view path, absl::string_view content,
                       mode_t mode = 0644);
  ArchiveBuilder& Directory(absl::string_view path, mode_t mode = 0755);
  ArchiveBuilder& Symlink(absl::string_view path, absl::string_view target);
  // The following are for the tar family: zip knows none of them.
  ArchiveBuilder& HardLink(absl::string_view path, absl::string_view target);
  ArchiveBuilder& Fifo(absl::string_view path);
  ArchiveBuilder& Device(absl::string_view path);  // character 1:3

  // The archive's bytes.
  std::string Build(ArchiveFormat format) const;
  // Writes them to `path`, a file that is replaced.
  void Write(ArchiveFormat format, const std::string& path) const;

 private:
  struct Entry {
    std::string path;
    mode_t type_and_mode;
    std::string content;  // files
    std::string link;     // symlinks and hard links
    bool is_hard_link = false;
  };

  std::vector<Entry> entries_;
};

}  // namespace oneagent

#endif  // TESTS_SUPPORT_ARCHIVE_BUILDER_H_
