#include "cache/store/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "cache/store/archive_input.h"
#include "cache/store/entry_path.h"
#include "cache/store/tree_writer.h"

namespace oneagent {
namespace {

// libarchive translates names by the thread's locale; in the C locale every
// name beyond ASCII would be an error.
class Utf8Locale {
 public:
  Utf8Locale()
      : locale_(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)),
        previous_(uselocale(locale_)) {}
  ~Utf8Locale() {
    uselocale(previous_);
    if (locale_ != nullptr) freelocale(locale_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  const locale_t locale_;  // null where the system has none: ASCII only then
  const locale_t previous_;
};

absl::Status WriteFile(ArchiveInput& input, archive_entry* entry,
                       const std::string& path, TreeWriter& tree) {
  const bool executable = (archive_entry_perm(entry) & 0111) != 0;
  RETURN_IF_ERROR(tree.BeginFile(path, FileMode(TreePath(path), executable)));
  for (;;) {
    ASSIGN_OR_RETURN(const absl::string_view block, input.NextBlock());
    if (block.empty()) break;
    RETURN_IF_ERROR(tree.Append(block));
  }
  tree.EndFile();
  return absl::OkStatus();
}

absl::Status WriteEntry(ArchiveInput& input, archive_entry* entry,
                        const std::string& path, const UnpackLimits& limits,
                        TreeWriter& tree) {
  if (const char* const existing = archive_entry_hardlink(entry)) {
    ASSIGN_OR_RETURN(const std::string target,
                     NormalizeEntryPath(existing, limits.max_path));
    return tree.AddHardLink(path, target);
  }
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
      return WriteFile(input, entry, path, tree);
    case AE_IFDIR:
      return tree.AddDirectory(path);
    case AE_IFLNK: {
      const char* const target = archive_entry_symlink(entry);
      return tree.AddSymlink(path, target == nullptr ? "" : target);
    }
    default:  // devices, sockets, fifos, and whatever a header may claim
      return absl::InvalidArgumentError(
          "neither file, directory nor symbolic link");
  }
}

// One entry with its name checked. The root itself ("./") is there already.
absl::Status HandleEntry(ArchiveInput& input, archive_entry* entry,
                         absl::string_view name, const UnpackLimits& limits,
                         TreeWriter& tree) {
  ASSIGN_OR_RETURN(const std::string path,
                   NormalizeEntryPath(name, limits.max_path));
  if (!path.empty()) return WriteEntry(input, entry, path, limits, tree);
  if (archive_entry_filetype(entry) == AE_IFDIR) return absl::OkStatus();
  return absl::InvalidArgumentError("the root is not a directory");
}

absl::Status WriteEntries(ArchiveInput& input, const UnpackLimits& limits,
                          TreeWriter& tree) {
  std::string last = "its beginning";
  for (int64_t count = 0;; ++count) {
    absl::StatusOr<archive_entry*> entry = input.NextEntry();
    if (!entry.ok()) {
      return Annotate(entry.status(), absl::StrCat("after ", last));
    }
    if (*entry == nullptr) return absl::OkStatus();
    const char* const name = archive_entry_pathname(*entry);
    last = Printable(name == nullptr ? "" : name);
    // Also entries that add nothing ("./" again and again) cost time.
    if (count >= limits.max_entries) {
      return absl::InvalidArgumentError(
          absl::StrCat(last, ": more than ", limits.max_entries, " entries"));
    }
    RETURN_IF_ERROR(Annotate(
        HandleEntry(input, *entry, name == nullptr ? "" : name, limits, tree),
        last));
  }
}

}  // namespace

absl::StatusOr<UnpackedTree> UnpackArchive(const std::string& archive,
                                           const std::string& destination,
                                           const UnpackLimits& limits,
                                           const UnpackProgress& progress) {
  const Utf8Locale locale;
  absl::StatusOr<std::unique_ptr<ArchiveInput>> input =
      ArchiveInput::Open(archive, progress);
  if (!input.ok()) return Annotate(input.status(), archive);
  ASSIGN_OR_RETURN(const std::unique_ptr<TreeWriter> tree,
                   TreeWriter::Create(destination, limits));
  RETURN_IF_ERROR(Annotate(WriteEntries(**input, limits, *tree), archive));
  RETURN_IF_ERROR(Annotate(tree->CompleteAgent(), archive));
  UnpackedTree unpacked = tree->Describe();
  if (unpacked.files == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(archive, ": holds no files"));
  }
  return unpacked;
}

}  // namespace oneagent
