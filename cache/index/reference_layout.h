// Where the reference driver, of the same name, keeps its things: what we must
// know of them to follow it on a node where its volumes are still mounted. Its
// data directory stands beside csi.sock; it is looked into and never written
// to. Thread-safe.
//
//   <plugin>/csi.sock
//   <plugin>/data/codemodules/<version>/        agents
//                 _dynakubes/<dynakube>/osagent/   storage of mode host
//                 <tenant>/osagent/                the same, of old versions
//                 appmounts/<volume>/           upper and work of a volume; old
//                 <tenant>/run/<volume>/        versions mounted the overlay on
//                                               mapped/ in it, and bound that
//                                               at the target
#ifndef CACHE_INDEX_REFERENCE_LAYOUT_H_
#define CACHE_INDEX_REFERENCE_LAYOUT_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace oneagent {

// Where it would be, by the path of csi.sock.
std::string ReferenceDataDir(absl::string_view socket_path);

// Whether there is such a directory and it holds what that driver makes.
bool IsReferenceData(const std::string& directory);

// Paths below it that would be the volume's directory, or storage of mode host
// of a DynaKube. They need not exist. The names are one component each.
std::vector<std::string> ReferenceVolumeDirs(const std::string& directory,
                                             absl::string_view volume_id);
std::vector<std::string> ReferenceHostStorages(const std::string& directory,
                                               absl::string_view dynakube);

// What an old version mounted, in the volume's directory.
inline constexpr char kReferenceMapped[] = "mapped";

}  // namespace oneagent

#endif  // CACHE_INDEX_REFERENCE_LAYOUT_H_
