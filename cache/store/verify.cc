// VerifyAgent and VerifyConfig of store.h: two sorted lists side by side.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "cache/store/entry_path.h"
#include "cache/store/manifest.h"
#include "cache/store/store.h"

namespace oneagent {
namespace {

const char* NameOfType(const v1::TreeEntry& entry) {
  if (entry.type() == v1::TreeEntry::FILE) return "a file";
  if (entry.type() == v1::TreeEntry::DIRECTORY) return "a directory";
  if (entry.type() == v1::TreeEntry::SYMLINK) return "a symbolic link";
  return "a special file";
}

// What differs between two entries of one path; the first of these that does.
std::string Difference(const v1::TreeEntry& want, const v1::TreeEntry& is) {
  if (want.type() != is.type()) {
    return absl::StrCat("is ", NameOfType(is), ", was ", NameOfType(want));
  }
  if (want.link_target() != is.link_target()) {
    return absl::StrCat("link points to ", Printable(is.link_target()),
                        ", pointed to ", Printable(want.link_target()));
  }
  if (want.size() != is.size()) {
    return absl::StrCat("has ", is.size(), " bytes, had ", want.size());
  }
  if (want.sha256() != is.sha256()) return "content changed";
  if (want.mode() != is.mode()) {
    return absl::StrFormat("mode is %04o, was %04o", is.mode(), want.mode());
  }
  return "";
}

std::vector<std::string> Compare(std::vector<v1::TreeEntry> manifest,
                                 const std::vector<v1::TreeEntry>& tree) {
  // Written sorted; sorted again because anybody may have edited the file.
  std::sort(manifest.begin(), manifest.end(),
            [](const v1::TreeEntry& a, const v1::TreeEntry& b) {
              return a.path() < b.path();
            });
  std::vector<std::string> findings;
  auto want = manifest.begin();
  auto is = tree.begin();
  while (want != manifest.end() || is != tree.end()) {
    if (is == tree.end() ||
        (want != manifest.end() && want->path() < is->path())) {
      findings.push_back(absl::StrCat(Printable(want->path()), ": missing"));
      ++want;
    } else if (want == manifest.end() || is->path() < want->path()) {
      findings.push_back(
          absl::StrCat(Printable(is->path()), ": not in the manifest"));
      ++is;
    } else {
      const std::string difference = Difference(*want, *is);
      if (!difference.empty()) {
        findings.push_back(
            absl::StrCat(Printable(is->path()), ": ", difference));
      }
      ++want;
      ++is;
    }
  }
  return findings;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> VerifyAgent(const Layout& layout,
                                                     absl::string_view id) {
  ASSIGN_OR_RETURN(std::vector<v1::TreeEntry> manifest,
                   ReadAgentTreeEntries(layout.AgentManifest(id)));
  ASSIGN_OR_RETURN(const UnpackedTree tree, DescribeTree(layout.AgentTree(id)));
  return Compare(std::move(manifest), tree.entries);
}

absl::StatusOr<std::vector<std::string>> VerifyConfig(const Layout& layout,
                                                      absl::string_view id) {
  ASSIGN_OR_RETURN(std::vector<v1::TreeEntry> manifest,
                   ReadConfigTreeEntries(layout.ConfigManifest(id)));
  ASSIGN_OR_RETURN(const UnpackedTree tree,
                   DescribeTree(layout.ConfigTree(id)));
  return Compare(std::move(manifest), tree.entries);
}

}  // namespace oneagent
