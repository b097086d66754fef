// A tree's description as lines that tests compare: "d 755 agent",
// "f 644 agent/lib.so", "l agent/bin/current -> 1.2.3.4-5".
#ifndef TESTS_UNIT_STORE_TREE_TEXT_H_
#define TESTS_UNIT_STORE_TREE_TEXT_H_

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cache/store/unpack.h"

namespace oneagent {

inline std::vector<std::string> TreeText(const UnpackedTree& tree) {
  std::vector<std::string> lines;
  for (const v1::TreeEntry& entry : tree.entries) {
    if (entry.type() == v1::TreeEntry::SYMLINK) {
      lines.push_back(
          absl::StrCat("l ", entry.path(), " -> ", entry.link_target()));
      continue;
    }
    const char* const type =
        entry.type() == v1::TreeEntry::DIRECTORY ? "d" : "f";
    lines.push_back(
        absl::StrFormat("%s %o %s", type, entry.mode(), entry.path()));
  }
  return lines;
}

// All of it, for comparing two descriptions of one tree.
inline std::vector<std::string> FullText(const UnpackedTree& tree) {
  std::vector<std::string> lines;
  for (const v1::TreeEntry& entry : tree.entries) {
    lines.push_back(entry.ShortDebugString());
  }
  lines.push_back(absl::StrCat(tree.files, " files, ", tree.bytes, " bytes"));
  return lines;
}

}  // namespace oneagent

#endif  // TESTS_UNIT_STORE_TREE_TEXT_H_
