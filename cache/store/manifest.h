// Manifests as text: what the store writes and verify reads. Their summary, as
// rows, is read by cache/index/records.h. Pure but for the readers.
#ifndef CACHE_STORE_MANIFEST_H_
#define CACHE_STORE_MANIFEST_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cache/index/rows.h"
#include "cache/store/unpack.h"
#include "proto/manifest.pb.h"

namespace oneagent {

inline constexpr mode_t kManifestMode = 0600;

// InvalidArgument when the text would be longer than readers accept (a tree of
// very many entries).
absl::StatusOr<std::string> AgentManifestText(const AgentRow& row,
                                              UnpackedTree tree);
absl::StatusOr<std::string> ConfigManifestText(const ConfigRow& row,
                                               UnpackedTree tree);

// The tree part of a manifest, kind by kind. NotFound, InvalidArgument naming
// the path when it is damaged, PosixStatus.
absl::StatusOr<std::vector<v1::TreeEntry>> ReadAgentTreeEntries(
    const std::string& manifest_path);
absl::StatusOr<std::vector<v1::TreeEntry>> ReadConfigTreeEntries(
    const std::string& manifest_path);

}  // namespace oneagent

#endif  // CACHE_STORE_MANIFEST_H_
