// The rows of the index as plain values. Times are stored with millisecond
// precision; absl::InfinitePast() stands for "not set". Every member has an
// initializer, so that designated initializers may leave members out without a
// warning.
#ifndef CACHE_INDEX_ROWS_H_
#define CACHE_INDEX_ROWS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cache/index/cause.h"

namespace oneagent {

enum class TreeState {
  kReady,    // tree and manifest are on disk
  kMissing,  // leased or wanted, but its tree is gone
};

struct AgentRow {
  std::string id = {};
  std::string kind = {};     // "zip" or "image"
  std::string version = {};  // version, or image digest
  std::string arch = {};
  std::string flavor = {};
  std::string source = {};
  std::string digest = {};
  TreeState state = TreeState::kReady;
  int64_t bytes = 0;
  int64_t files = 0;
  absl::Time installed_at = absl::InfinitePast();
  // When the last lease or tenant let go of it; set at installation too.
  absl::Time last_used_at = absl::InfinitePast();
  int64_t leases = 0;       // volumes that use it; filled when read
  bool is_current = false;  // a live tenant's agent; filled when read

  bool operator==(const AgentRow&) const = default;
};

struct ConfigRow {
  std::string id = {};
  std::string dynakube = {};
  TreeState state = TreeState::kReady;
  int64_t bytes = 0;
  int64_t files = 0;
  absl::Time created_at = absl::InfinitePast();
  absl::Time last_used_at = absl::InfinitePast();
  int64_t leases = 0;
  bool is_current = false;

  bool operator==(const ConfigRow&) const = default;
};

enum class TenantState { kReady, kWaiting, kFailed };

struct TenantRow {
  std::string dynakube = {};
  std::string namespace_name = {};
  std::string tenant_uuid = {};
  std::string agent_id = {};   // empty until the first installation
  std::string config_id = {};  // empty until the first installation
  std::string version = {};    // desired
  int32_t max_attempts = 0;
  TenantState state = TenantState::kWaiting;
  std::string reason = {};
  absl::Time updated_at = absl::InfinitePast();
  absl::Time deleted_at = absl::InfinitePast();  // set: DynaKube is gone

  bool operator==(const TenantRow&) const = default;
};

enum class VolumeMode { kApp, kHost };

enum class VolumeState {
  kWaiting,   // failed so far; attempts and reason say why; holds no lease
  kMounting,  // leased, not yet known to be mounted
  kMounted,
  kEmpty,  // published without an agent; reason says why
};

struct VolumeRow {
  std::string id = {};
  std::string pod = {};
  std::string namespace_name = {};
  std::string pod_uid = {};
  std::string dynakube = {};
  VolumeMode mode = VolumeMode::kApp;
  bool read_only = false;
  std::string target = {};
  VolumeState state = VolumeState::kWaiting;
  std::string agent_id = {};      // lease; empty: none
  std::string config_id = {};     // lease; empty: none
  std::string host_storage = {};  // name below host/; mode host only
  std::string boot_id = {};
  absl::Time since = absl::InfinitePast();
  std::string reason = {};
  int32_t attempts = 0;
  absl::Time first_failure_at = absl::InfinitePast();  // for people
  // The same on the clock that nobody sets: time since boot_id's boot. Patience
  // counts by it. Zero: no failure, or a row of an older program.
  absl::Duration first_failure_uptime = absl::ZeroDuration();
  Cause cause = Cause::kNone;  // of `reason`
  // Published empty over what somebody else had put into the target.
  bool covers = false;

  bool operator==(const VolumeRow&) const = default;
};

// Older notices are not kept.
inline constexpr absl::Duration kOldestNotice = absl::Hours(1);

// What the mounter has to tell the world: a volume was published empty.
struct NoticeRow {
  int64_t seq = 0;
  std::string volume_id = {};
  std::string pod = {};
  std::string namespace_name = {};
  std::string pod_uid = {};
  std::string dynakube = {};
  std::string reason = {};
  Cause cause = Cause::kNone;
  absl::Time at = absl::InfinitePast();

  bool operator==(const NoticeRow&) const = default;
};

// Names as they stand in SQL, records and the CLI's JSON.
const char* Name(TreeState state);
const char* Name(TenantState state);
const char* Name(VolumeMode mode);
const char* Name(VolumeState state);

// The other way round. InvalidArgument for any other text.
absl::StatusOr<TreeState> ParseTreeState(absl::string_view name);
absl::StatusOr<TenantState> ParseTenantState(absl::string_view name);
absl::StatusOr<VolumeMode> ParseVolumeMode(absl::string_view name);
absl::StatusOr<VolumeState> ParseVolumeState(absl::string_view name);

// `time` with the precision that rows and records keep.
absl::Time ToRowPrecision(absl::Time time);

}  // namespace oneagent

#endif  // CACHE_INDEX_ROWS_H_
