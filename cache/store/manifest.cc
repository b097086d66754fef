#include "cache/store/manifest.h"

#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "proto/json.h"

namespace oneagent {
namespace {

// What cache/index/records.cc reads at most.
constexpr size_t kLongestManifest = size_t{64} << 20;

void SetTime(absl::Time time, google::protobuf::Timestamp* timestamp) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  timestamp->set_seconds(seconds);
  timestamp->set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

template <typename Manifest>
absl::StatusOr<std::string> TextOf(Manifest manifest, UnpackedTree tree) {
  manifest.mutable_tree()->Add(std::make_move_iterator(tree.entries.begin()),
                               std::make_move_iterator(tree.entries.end()));
  std::string text = PrintJson(manifest);
  if (text.size() > kLongestManifest) {
    return absl::InvalidArgumentError(
        absl::StrCat(manifest.id(), ": manifest of ", text.size(), " bytes"));
  }
  return text;
}

template <typename Manifest>
absl::StatusOr<std::vector<v1::TreeEntry>> ReadEntries(
    const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(path));
  Manifest manifest;
  RETURN_IF_ERROR(Annotate(ParseJson(text, &manifest), path));
  return std::vector<v1::TreeEntry>(
      std::make_move_iterator(manifest.mutable_tree()->begin()),
      std::make_move_iterator(manifest.mutable_tree()->end()));
}

}  // namespace

absl::StatusOr<std::string> AgentManifestText(const AgentRow& row,
                                              UnpackedTree tree) {
  v1::AgentManifest manifest;
  manifest.set_id(row.id);
  manifest.set_kind(row.kind);
  manifest.set_version(row.version);
  manifest.set_arch(row.arch);
  manifest.set_flavor(row.flavor);
  manifest.set_source(row.source);
  manifest.set_digest(row.digest);
  manifest.set_bytes(row.bytes);
  manifest.set_files(row.files);
  SetTime(row.installed_at, manifest.mutable_installed_at());
  return TextOf(std::move(manifest), std::move(tree));
}

absl::StatusOr<std::string> ConfigManifestText(const ConfigRow& row,
                                               UnpackedTree tree) {
  v1::ConfigManifest manifest;
  manifest.set_id(row.id);
  manifest.set_dynakube(row.dynakube);
  manifest.set_bytes(row.bytes);
  manifest.set_files(row.files);
  SetTime(row.created_at, manifest.mutable_created_at());
  return TextOf(std::move(manifest), std::move(tree));
}

absl::StatusOr<std::vector<v1::TreeEntry>> ReadAgentTreeEntries(
    const std::string& manifest_path) {
  return ReadEntries<v1::AgentManifest>(manifest_path);
}

absl::StatusOr<std::vector<v1::TreeEntry>> ReadConfigTreeEntries(
    const std::string& manifest_path) {
  return ReadEntries<v1::ConfigManifest>(manifest_path);
}

}  // namespace oneagent
