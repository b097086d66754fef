// Names inside an archive, before any of them reaches the file system. Pure.
#ifndef CACHE_STORE_ENTRY_PATH_H_
#define CACHE_STORE_ENTRY_PATH_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace oneagent {

// Where archives that are made from an installed host keep the agent.
inline constexpr absl::string_view kArchivePrefix = "opt/dynatrace/oneagent";

// "./agent//lib/" -> "agent/lib"; "" for the root itself ("./").
// InvalidArgument (the cause alone) for an empty or absolute name, "..", a
// control character, what is not UTF-8 (records are JSON), a component of more
// than 255 bytes, more than `max_path` bytes, or more than 128 components.
absl::StatusOr<std::string> NormalizeEntryPath(absl::string_view name,
                                               int64_t max_path);

// Checks the target of a symbolic link at `path` (normalized, relative to the
// root that it must not leave). InvalidArgument for an empty or absolute one,
// one that is not printable UTF-8, one with more ".." than there are
// directories above the link, and one with
// ".." after a name: that name may be a link too, and then nobody can tell
// from the text alone where ".." leads.
absl::Status CheckLinkTarget(absl::string_view path, absl::string_view target);

// True for a path strictly below `directory`.
bool IsBelow(absl::string_view path, absl::string_view directory);

// The path as it will stand in the tree: without kArchivePrefix when below it.
absl::string_view TreePath(absl::string_view path);

// Directory part, "" at the top.
absl::string_view ParentOf(absl::string_view path);
absl::string_view NameOf(absl::string_view path);

// Permission bits by the tree's rules (architecture of the cache: agent trees
// are 0755/0644 but for log/ and agent/conf/*).
uint32_t DirectoryMode(absl::string_view tree_path);
uint32_t FileMode(absl::string_view tree_path, bool executable);

// True for "1.2.3.4-5", the name of a version directory in agent/bin.
bool IsVersionDirectoryName(absl::string_view name);

// A name from an archive, fit for a message: escaped and not endless.
std::string Printable(absl::string_view name);

}  // namespace oneagent

#endif  // CACHE_STORE_ENTRY_PATH_H_
