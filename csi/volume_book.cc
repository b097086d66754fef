#include "csi/volume_book.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/durable_file.h"
#include "base/failpoint.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "cache/index/records.h"
#include "csi/volume_dir.h"

namespace oneagent {
namespace {

// Of each map in memory.
constexpr size_t kMaxRemembered = 4096;

absl::Status OfIndex(const absl::Status& status) {
  return WithCause(status, Cause::kIndex);
}

// Whether a record needs no rewriting. It stays `mounting` while the volume is
// mounted.
bool Says(const VolumeRow& record, const VolumeRow& volume) {
  const VolumeState state = record.state == VolumeState::kMounting
                                ? VolumeState::kMounted
                                : record.state;
  const VolumeState wanted = volume.state == VolumeState::kMounting
                                 ? VolumeState::kMounted
                                 : volume.state;
  return state == wanted && record.target == volume.target &&
         record.boot_id == volume.boot_id && record.covers == volume.covers;
}

bool IsPublished(const VolumeRow& row) {
  return row.state == VolumeState::kMounted || row.state == VolumeState::kEmpty;
}

template <typename Value>
void BoundedPut(std::map<std::string, Value>& map, const std::string& key,
                Value value) {
  if (map.size() >= kMaxRemembered && map.count(key) == 0) {
    map.erase(map.begin());
  }
  map[key] = std::move(value);
}

}  // namespace

VolumeBook::VolumeBook(Layout layout, std::string boot_id, Index& index,
                       const Clock& clock)
    : layout_(std::move(layout)),
      boot_id_(std::move(boot_id)),
      index_(index),
      clock_(clock) {}

absl::Status VolumeBook::Read(absl::string_view volume_id, Depth depth,
                              Evidence& evidence) const {
  if (!IsVolumeId(volume_id)) return absl::OkStatus();
  evidence.memory = Recall(volume_id);
  const absl::StatusOr<std::optional<VolumeRow>> row =
      index_.GetVolume(volume_id);
  if (row.ok()) evidence.row = *row;
  const bool is_trusted = depth == Depth::kTrustRows && evidence.row &&
                          evidence.row->boot_id == boot_id_ &&
                          IsPublished(*evidence.row);
  if (!is_trusted) {
    absl::StatusOr<VolumeRow> record = ReadVolumeRecord(layout_, volume_id);
    // Damaged or unreadable: row and kernel decide.
    if (record.ok()) evidence.record = *std::move(record);
  }
  return OfIndex(row.status());
}

absl::StatusOr<std::vector<std::string>> VolumeBook::ListIds() const {
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   ListDirectory(layout_.VolumesDir()));
  const absl::StatusOr<std::vector<VolumeRow>> rows = index_.ListVolumes();
  if (!rows.ok()) return OfIndex(rows.status());
  std::set<std::string> ids;
  for (const std::string& name : names) {
    if (IsVolumeId(name)) ids.insert(name);
  }
  for (const VolumeRow& row : *rows) ids.insert(row.id);
  return std::vector<std::string>(ids.begin(), ids.end());
}

bool VolumeBook::HasRecord(absl::string_view volume_id) const {
  return PathExists(layout_.VolumeRecord(volume_id)).value_or(true);
}

absl::StatusOr<VolumeRow> VolumeBook::Lease(const VolumeRow& volume) {
  absl::StatusOr<oneagent::Lease> lease =
      index_.AcquireLease({.volume = volume, .now = clock_.Now()});
  if (!lease.ok()) return OfIndex(lease.status());
  return std::move(lease->row);
}

absl::Status VolumeBook::WriteRecord(const VolumeRow& volume) {
  return WriteVolumeRecord(layout_, volume);
}

absl::Status VolumeBook::PutMounted(absl::string_view volume_id) {
  const absl::Status marked = index_.MarkMounted(volume_id, clock_.Now());
  if (marked.ok()) Forget(volume_id);
  return OfIndex(marked);
}

VolumeRow VolumeBook::PutWaiting(const VolumeRow& volume, Layers layers) {
  const absl::StatusOr<VolumeRow> recorded =
      index_.RecordFailure(volume, clock_.Now());
  Failpoint("rollback:3");
  if (layers == Layers::kToTrash) TrashLayers(layout_, volume.id).IgnoreError();
  Failpoint("rollback:4");
  VolumeRow row = recorded.ok() ? *recorded : volume;
  row.state = VolumeState::kWaiting;
  // A full disk takes neither: then memory counts. With the record alone it
  // counts too, because the index's row is an older one.
  SaveVolumeRecord(layout_, row).IgnoreError();
  Failpoint("rollback:5");
  if (recorded.ok()) {
    Forget(row.id);
  } else {
    Remember(row);
  }
  return row;
}

void VolumeBook::PutEmptyRecord(const VolumeRow& volume) {
  // What the disk does not take, memory has from PutEmptyRow on.
  SaveVolumeRecord(layout_, volume).IgnoreError();
}

void VolumeBook::PutEmptyRow(const VolumeRow& volume) {
  if (index_.MarkEmpty(volume, clock_.Now()).ok()) {
    Forget(volume.id);
  } else {
    // Also with the record on disk: the notice is still owed.
    Remember(volume);
  }
}

absl::Status VolumeBook::Put(const Evidence& evidence,
                             const VolumeRow& volume) {
  const bool has_record =
      evidence.record
          ? Says(*evidence.record, volume)
          : HasRecord(volume.id) && evidence.row && IsPublished(*evidence.row);
  // What is published must be known from disk as well. A disk that is full must
  // not keep the index from being right.
  if (!has_record) SaveVolumeRecord(layout_, volume).IgnoreError();
  const bool is_new_state = !evidence.row ||
                            evidence.row->boot_id != volume.boot_id ||
                            evidence.row->state != volume.state;
  absl::Status put;
  if (is_new_state && volume.state == VolumeState::kEmpty &&
      (evidence.memory || evidence.row || evidence.record)) {
    put = index_.MarkEmpty(volume, clock_.Now());
  } else if (evidence.row != volume) {
    VolumeRow row = volume;
    if (is_new_state && row.state == VolumeState::kMounted) {
      row.since = clock_.Now();
    }
    put = index_.PutVolume(row);
  }
  if (put.ok()) {
    Forget(volume.id);
  } else if (volume.state == VolumeState::kEmpty) {
    Remember(volume);
  }
  return OfIndex(put);
}

absl::Status VolumeBook::DropRow(absl::string_view volume_id) {
  const absl::Status released = index_.ReleaseLease(volume_id, clock_.Now());
  Forget(volume_id);
  return OfIndex(released);
}

absl::Status VolumeBook::DropDirectory(absl::string_view volume_id) {
  return TrashVolumeDir(layout_, volume_id);
}

void VolumeBook::Remember(const VolumeRow& row) {
  MutexLock lock(mu_);
  BoundedPut(unrecorded_, row.id, row);
}

void VolumeBook::Forget(absl::string_view volume_id) {
  MutexLock lock(mu_);
  unrecorded_.erase(std::string(volume_id));
  waiting_since_.erase(std::string(volume_id));
}

std::optional<VolumeRow> VolumeBook::Recall(absl::string_view volume_id) const {
  MutexLock lock(mu_);
  const auto found = unrecorded_.find(std::string(volume_id));
  if (found == unrecorded_.end()) return std::nullopt;
  return found->second;
}

void VolumeBook::NoteWaiting(absl::string_view volume_id,
                             absl::Duration waited) {
  const std::string id(volume_id);
  absl::Duration since = clock_.Uptime() - waited;
  MutexLock lock(mu_);
  const auto found = waiting_since_.find(id);
  // The earliest counts.
  if (found != waiting_since_.end()) since = std::min(since, found->second);
  BoundedPut(waiting_since_, id, since);
}

std::optional<absl::Duration> VolumeBook::WaitingSince(
    absl::string_view volume_id) const {
  MutexLock lock(mu_);
  const auto found = waiting_since_.find(std::string(volume_id));
  if (found == waiting_since_.end()) return std::nullopt;
  return found->second;
}

std::vector<std::string> VolumeBook::ListUnrecorded() const {
  std::vector<std::string> ids;
  MutexLock lock(mu_);
  for (const auto& [id, unused] : unrecorded_) ids.push_back(id);
  return ids;
}

absl::Status VolumeBook::Flush(absl::string_view volume_id) {
  const std::optional<VolumeRow> row = Recall(volume_id);
  if (!row) return absl::OkStatus();
  const absl::Status put = row->state == VolumeState::kEmpty
                               ? index_.MarkEmpty(*row, clock_.Now())
                               : index_.PutVolume(*row);
  if (!put.ok()) return OfIndex(put);
  // A disk that was too full for the index was so for the record, too.
  SaveVolumeRecord(layout_, *row).IgnoreError();
  Forget(volume_id);
  return absl::OkStatus();
}

}  // namespace oneagent
