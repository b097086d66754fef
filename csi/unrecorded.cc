// What the publisher knows and the index does not: failures and empty volumes
// that it would not take, and calls whose turn never came.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "csi/publisher.h"
#include "csi/volume_dir.h"

namespace oneagent {
namespace {

constexpr size_t kMost = 4096;

}  // namespace

void Publisher::Remember(const VolumeRow& row) {
  MutexLock lock(mu_);
  if (unrecorded_.size() >= kMost) unrecorded_.erase(unrecorded_.begin());
  unrecorded_[row.id] = row;
}

void Publisher::Forget(absl::string_view volume_id) {
  MutexLock lock(mu_);
  unrecorded_.erase(std::string(volume_id));
  waiting_since_.erase(std::string(volume_id));
}

void Publisher::NoteWaiting(absl::string_view volume_id,
                            absl::Duration waited) {
  const absl::Time since = clock_.Now() - waited;
  MutexLock lock(mu_);
  if (waiting_since_.size() >= kMost) {
    waiting_since_.erase(waiting_since_.begin());
  }
  // The earliest counts.
  const auto [at, is_new] =
      waiting_since_.emplace(std::string(volume_id), since);
  if (!is_new) at->second = std::min(at->second, since);
}

std::optional<absl::Time> Publisher::TakeWaiting(absl::string_view volume_id) {
  MutexLock lock(mu_);
  const auto found = waiting_since_.find(std::string(volume_id));
  if (found == waiting_since_.end()) return std::nullopt;
  const absl::Time since = found->second;
  waiting_since_.erase(found);
  return since;
}

std::vector<std::string> Publisher::ListUnrecorded() {
  std::vector<std::string> ids;
  MutexLock lock(mu_);
  for (const auto& [id, unused] : unrecorded_) ids.push_back(id);
  return ids;
}

std::optional<VolumeRow> Publisher::FindUnrecorded(
    absl::string_view volume_id) {
  MutexLock lock(mu_);
  const auto found = unrecorded_.find(std::string(volume_id));
  if (found == unrecorded_.end()) return std::nullopt;
  return found->second;
}

absl::Status Publisher::FlushUnrecorded(absl::string_view volume_id) {
  const std::optional<VolumeRow> row = FindUnrecorded(volume_id);
  if (!row) return absl::OkStatus();
  // A failure is counted in it already.
  RETURN_IF_ERROR(row->state == VolumeState::kEmpty
                      ? index_.MarkEmpty(*row, clock_.Now())
                      : index_.PutVolume(*row));
  // A disk that was too full for the index was so for the record, too.
  (void)SaveVolumeRecord(layout_, *row);
  Forget(volume_id);
  return absl::OkStatus();
}

}  // namespace oneagent
