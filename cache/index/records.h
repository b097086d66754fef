// The records on disk (proto/manifest.proto) as rows, and back. Records are
// written before their rows: the index can always be filled from them.
//
// Read*: NotFound when there is none, InvalidArgument naming path and cause
// when it is not such a record (also when the id in it is not the name it
// stands under, or it is far too large); PosixStatus when it cannot be read.
// Write*: mode 0600; PosixStatus. Thread-safe.
#ifndef CACHE_INDEX_RECORDS_H_
#define CACHE_INDEX_RECORDS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/durable_file.h"
#include "cache/index/layout.h"
#include "cache/index/rows.h"

namespace oneagent {

// A manifest's summary; last_used_at is the time of installation.
absl::StatusOr<AgentRow> ReadAgentRecord(const Layout& layout,
                                         absl::string_view id);
absl::StatusOr<ConfigRow> ReadConfigRecord(const Layout& layout,
                                           absl::string_view id);

absl::StatusOr<TenantRow> ReadTenantRecord(const Layout& layout,
                                           absl::string_view dynakube);
absl::Status WriteTenantRecord(const Layout& layout, const TenantRow& row);

absl::StatusOr<VolumeRow> ReadVolumeRecord(const Layout& layout,
                                           absl::string_view volume_id);
// The volume's directory must exist. Not synced by default: what it describes
// (a mount) does not survive a power cut either.
absl::Status WriteVolumeRecord(const Layout& layout, const VolumeRow& row,
                               Durability durability = Durability::kNoSync);

struct MounterState {
  std::string boot_id = {};
  std::string mount_api = {};
  bool works = false;  // mount_api does; else it is a guess
  // What the ways that were tried before it answered: way, error.
  std::vector<std::pair<std::string, std::string>> refused = {};
  std::string disk_error = {};  // the last one met; empty: none
  bool disk_error_cleared = false;

  bool operator==(const MounterState&) const = default;
};
absl::StatusOr<MounterState> ReadMounterRecord(const Layout& layout);
absl::Status WriteMounterRecord(const Layout& layout,
                                const MounterState& state);

struct HostStorage {
  std::string name = {};  // <dynakube> or <dynakube>.<n>
  std::string dynakube = {};
  std::string tenant_uuid = {};  // empty: not known yet
};
absl::StatusOr<HostStorage> ReadHostRecord(const Layout& layout,
                                           absl::string_view name);
absl::Status WriteHostRecord(const Layout& layout, const HostStorage& storage);

}  // namespace oneagent

#endif  // CACHE_INDEX_RECORDS_H_
