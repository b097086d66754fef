// Mount tables of any content: nothing crashes, every line of an accepted one
// becomes an entry, and the entries say the same when they are written out as
// the kernel writes them and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "overlay/mount_table.h"

namespace {

// As the kernel escapes: blank, tab, newline and backslash.
std::string Escaped(absl::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case ' ':
        escaped += "\\040";
        break;
      case '\t':
        escaped += "\\011";
        break;
      case '\n':
        escaped += "\\012";
        break;
      case '\\':
        escaped += "\\134";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string Written(const std::vector<oneagent::MountEntry>& entries) {
  std::string text;
  for (const oneagent::MountEntry& entry : entries) {
    absl::StrAppend(&text, entry.id, " ", entry.parent_id, " 0:1 ",
                    Escaped(entry.root), " ");
    absl::StrAppend(&text, Escaped(entry.mount_point), " ", entry.options,
                    " shared:1 - ");
    absl::StrAppend(&text, Escaped(entry.fs_type), " ", Escaped(entry.source),
                    " ", entry.super_options, "\n");
  }
  return text;
}

size_t Lines(absl::string_view text) {
  size_t lines = 0;
  for (const char c : text) lines += c == '\n' ? 1 : 0;
  return lines + (!text.empty() && text.back() != '\n' ? 1 : 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto entries = oneagent::ParseMountinfo(text);
  if (!entries.ok()) {
    if (entries.status().message().empty()) abort();
    return 0;
  }
  if (entries->size() != Lines(text)) abort();
  const auto again = oneagent::ParseMountinfo(Written(*entries));
  if (!again.ok() || *again != *entries) abort();
  return 0;
}
