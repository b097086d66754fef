#include "cache/store/agent_check.h"

#include <fcntl.h>
#include <google/protobuf/struct.pb.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/status_macros.h"
#include "cache/store/entry_path.h"
#include "proto/json.h"

namespace oneagent {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

constexpr char kPreloaded[] = "agent/lib64/liboneagentproc.so";
constexpr char kManifest[] = "manifest.json";
constexpr int64_t kLargestManifest = 8 << 20;

const v1::TreeEntry* Find(const UnpackedTree& tree, const std::string& path) {
  const auto found = std::lower_bound(
      tree.entries.begin(), tree.entries.end(), path,
      [](const v1::TreeEntry& entry, const std::string& wanted) {
        return entry.path() < wanted;
      });
  const bool is_there = found != tree.entries.end() && found->path() == path &&
                        found->type() != v1::TreeEntry::DIRECTORY;
  return is_there ? &*found : nullptr;
}

const Value& FieldOf(const Value& value, const std::string& name) {
  static const Value& nothing = Value::default_instance();
  const auto& fields = value.struct_value().fields();
  const auto found = fields.find(name);
  return found == fields.end() ? nothing : found->second;
}

// technologies.process.<platform>[].path of those with binarytype "primary".
std::vector<std::string> PrimaryPaths(const std::string& json) {
  Value manifest;
  std::vector<std::string> paths;
  if (!ParseJson(json, &manifest).ok()) return paths;
  const Value& process = FieldOf(FieldOf(manifest, "technologies"), "process");
  for (const auto& [platform, files] : process.struct_value().fields()) {
    for (const Value& file : files.list_value().values()) {
      if (FieldOf(file, "binarytype").string_value() == "primary") {
        paths.push_back(FieldOf(file, "path").string_value());
      }
    }
  }
  return paths;
}

}  // namespace

absl::Status CheckIsAgent(const std::string& root, const UnpackedTree& tree) {
  if (Find(tree, kPreloaded) != nullptr) return absl::OkStatus();
  std::vector<std::string> primary;
  const v1::TreeEntry* const manifest = Find(tree, kManifest);
  if (manifest != nullptr && manifest->type() == v1::TreeEntry::FILE &&
      manifest->size() <= kLargestManifest) {
    // Nobody else writes below staging/: the path leads where it says.
    ASSIGN_OR_RETURN(const std::string json,
                     ReadWholeFile(absl::StrCat(root, "/", kManifest)));
    primary = PrimaryPaths(json);
  }
  for (const std::string& path : primary) {
    if (Find(tree, path) != nullptr) return absl::OkStatus();
  }
  if (primary.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("not an agent: no ", kPreloaded));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("not an agent: no ", Printable(primary.front()),
                   ", which its manifest.json names as primary"));
}

}  // namespace oneagent
