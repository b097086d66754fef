// What the reference driver, of the same name, left on the node.
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "cache/index/reference_layout.h"
#include "cache/inspect/node_facts.h"
#include "overlay/mount_table.h"

namespace oneagent {
namespace {

// Layers are named as that driver's container saw them.
constexpr char kAgentLayer[] = "lowerdir=/data/codemodules/";

}  // namespace

ReferenceFacts GatherReference(const std::string& socket_path) {
  ReferenceFacts facts;
  const std::string data_dir = ReferenceDataDir(socket_path);
  if (!IsReferenceData(data_dir)) return facts;
  facts.data_dir = data_dir;
  const absl::StatusOr<std::vector<MountEntry>> table = ReadMountTable();
  // That it cannot be read is a finding of its own.
  if (!table.ok()) return facts;
  for (const MountEntry& entry : *table) {
    const bool is_volume = entry.fs_type == "overlay" &&
                           absl::StrContains(entry.super_options, kAgentLayer);
    // An old version's helper is no volume of its own.
    if (is_volume && !absl::StartsWith(entry.mount_point, data_dir)) {
      ++facts.volumes;
    }
  }
  return facts;
}

}  // namespace oneagent
