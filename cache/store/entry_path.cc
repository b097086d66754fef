#include "cache/store/entry_path.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/text.h"

namespace oneagent {
namespace {

constexpr size_t kMaxComponent = 255;  // NAME_MAX
// Trees must stay deletable by a walk that holds one descriptor per level.
constexpr size_t kMaxDepth = 128;
constexpr size_t kMaxTarget = 4095;  // PATH_MAX without its NUL

bool HasControlCharacter(absl::string_view text) {
  for (const char c : text) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) return true;
  }
  return false;
}

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    const size_t length = Utf8SequenceLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

// Drops digits from the front of `text`; false when there are none.
bool ConsumeNumber(absl::string_view* text) {
  size_t digits = 0;
  while (digits < text->size() &&
         absl::ascii_isdigit(static_cast<unsigned char>((*text)[digits]))) {
    ++digits;
  }
  text->remove_prefix(digits);
  return digits > 0;
}

}  // namespace

absl::StatusOr<std::string> NormalizeEntryPath(absl::string_view name,
                                               int64_t max_path) {
  if (name.empty()) return absl::InvalidArgumentError("name is empty");
  if (static_cast<int64_t>(name.size()) > max_path) {
    return absl::InvalidArgumentError(
        absl::StrCat("name is longer than ", max_path, " bytes"));
  }
  if (name[0] == '/') return absl::InvalidArgumentError("path is absolute");
  if (HasControlCharacter(name)) {
    return absl::InvalidArgumentError("name has a control character");
  }
  if (!IsUtf8(name)) return absl::InvalidArgumentError("name is not UTF-8");
  std::vector<absl::string_view> parts;
  for (const absl::string_view part : absl::StrSplit(name, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      return absl::InvalidArgumentError("path leaves the tree by \"..\"");
    }
    if (part.size() > kMaxComponent) {
      return absl::InvalidArgumentError("a component is longer than 255 bytes");
    }
    parts.push_back(part);
  }
  if (parts.size() > kMaxDepth) {
    return absl::InvalidArgumentError(
        absl::StrCat("path is more than ", kMaxDepth, " components deep"));
  }
  return absl::StrJoin(parts, "/");
}

absl::Status CheckLinkTarget(absl::string_view path, absl::string_view target) {
  if (target.empty() || target.size() > kMaxTarget ||
      HasControlCharacter(target) || !IsUtf8(target)) {
    return absl::InvalidArgumentError("symbolic link has no usable target");
  }
  if (target[0] == '/') {
    return absl::InvalidArgumentError(
        absl::StrCat("symbolic link to the absolute path ", Printable(target)));
  }
  const absl::string_view parent = ParentOf(path);
  size_t depth = 0;
  if (!parent.empty()) {
    const std::vector<absl::string_view> above = absl::StrSplit(parent, '/');
    depth = above.size();
  }
  bool named = false;
  for (const absl::string_view part : absl::StrSplit(target, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      named = true;
      continue;
    }
    if (named || depth == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("symbolic link leaves the tree: ", Printable(target)));
    }
    --depth;
  }
  return absl::OkStatus();
}

bool IsBelow(absl::string_view path, absl::string_view directory) {
  return path.size() > directory.size() + 1 &&
         absl::StartsWith(path, directory) && path[directory.size()] == '/';
}

absl::string_view TreePath(absl::string_view path) {
  if (IsBelow(path, kArchivePrefix)) {
    path.remove_prefix(kArchivePrefix.size() + 1);
  }
  return path;
}

absl::string_view ParentOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? "" : path.substr(0, slash);
}

absl::string_view NameOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? path : path.substr(slash + 1);
}

uint32_t DirectoryMode(absl::string_view tree_path) {
  return tree_path == "log" ? 01777 : 0755;
}

uint32_t FileMode(absl::string_view tree_path, bool executable) {
  if (ParentOf(tree_path) == "agent/conf") return 0666;
  return executable ? 0755 : 0644;
}

bool IsVersionDirectoryName(absl::string_view name) {
  for (const char separator : {'.', '.', '.', '-'}) {
    if (!ConsumeNumber(&name) || name.empty() || name[0] != separator) {
      return false;
    }
    name.remove_prefix(1);
  }
  return ConsumeNumber(&name) && name.empty();
}

std::string Printable(absl::string_view name) {
  constexpr size_t kMost = 200;
  const absl::string_view shown = name.substr(0, kMost);
  return absl::StrCat(
      IsUtf8(shown) ? absl::Utf8SafeCHexEscape(shown) : absl::CHexEscape(shown),
      shown.size() < name.size() ? "..." : "");
}

}  // namespace oneagent
