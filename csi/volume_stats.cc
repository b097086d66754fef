#include "csi/volume_stats.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "cache/index/records.h"

namespace oneagent {
namespace {

// A count that took long is repeated so seldom that counting takes at most
// 1/50 of one core, however many files a pod makes.
constexpr int kIdleFactor = 50;

// The directory that the pod writes to; empty: none.
std::string WritableTree(const Layout& layout, const VolumeRow& row) {
  if (row.read_only || row.state == VolumeState::kEmpty) return "";
  switch (row.mode) {
    case VolumeMode::kApp:
      return layout.VolumeUpper(row.id);
    case VolumeMode::kHost:
      return row.host_storage.empty() ? ""
                                      : layout.HostStorage(row.host_storage);
  }
  return "";
}

absl::Status FillDisk(const std::string& path, VolumeFigures* figures) {
  struct statvfs disk;
  if (statvfs(path.c_str(), &disk) != 0) {
    return PosixStatus(absl::StrCat("statfs ", path), errno);
  }
  const auto bytes = [&](fsblkcnt_t blocks) {
    return static_cast<int64_t>(blocks * disk.f_frsize);
  };
  figures->bytes.total = bytes(disk.f_blocks);
  figures->bytes.available = bytes(disk.f_bavail);
  figures->inodes.total = static_cast<int64_t>(disk.f_files);
  figures->inodes.available = static_cast<int64_t>(disk.f_favail);
  return absl::OkStatus();
}

}  // namespace

VolumeStats::VolumeStats(Options options, Layout layout, Index& index,
                         Mounter& mounter, const TargetResolver& targets,
                         const Clock& clock)
    : options_(std::move(options)),
      layout_(std::move(layout)),
      index_(index),
      mounter_(mounter),
      targets_(targets),
      clock_(clock) {}

absl::StatusOr<VolumeFigures> VolumeStats::Get(absl::string_view volume_id,
                                               absl::string_view path) {
  ASSIGN_OR_RETURN(const VolumeRow row, FindVolume(volume_id));
  if (row.target != path || !IsPublished(row)) {
    return absl::NotFoundError(
        absl::StrCat("volume ", volume_id, " is not published at ", path));
  }
  VolumeFigures figures;
  RETURN_IF_ERROR(FillDisk(layout_.data_dir(), &figures));
  const TreeUsage usage = UsageOf(row);
  figures.bytes.used = usage.bytes;
  figures.inodes.used = usage.inodes;
  Condition(row, usage, &figures);
  return figures;
}

// What the index has not taken yet first, then the index; the record on disk
// where the index is unusable or has just been replaced and is not filled yet.
absl::StatusOr<VolumeRow> VolumeStats::FindVolume(absl::string_view volume_id) {
  const absl::Status unknown =
      absl::NotFoundError(absl::StrCat("volume ", volume_id, " is unknown"));
  if (!IsVolumeId(volume_id)) return unknown;
  if (options_.find_unrecorded) {
    std::optional<VolumeRow> newer = options_.find_unrecorded(volume_id);
    if (newer) return *std::move(newer);
  }
  absl::StatusOr<std::optional<VolumeRow>> row = index_.GetVolume(volume_id);
  const bool has_row = row.ok() && row->has_value();
  if (has_row && (*row)->state != VolumeState::kWaiting) {
    return **std::move(row);
  }
  absl::StatusOr<VolumeRow> record = ReadVolumeRecord(layout_, volume_id);
  // A row `waiting` beside a record `empty`: the index missed the latter, and
  // so has this process, which was started since.
  const bool is_empty = record.ok() && record->state == VolumeState::kEmpty;
  if (has_row && !(is_empty && record->boot_id == (*row)->boot_id)) {
    return **std::move(row);
  }
  if (record.ok()) return record;
  if (absl::IsNotFound(record.status())) return unknown;
  return WithCode(record.status(), absl::StatusCode::kUnavailable);
}

bool VolumeStats::IsPublished(const VolumeRow& row) {
  switch (row.state) {
    case VolumeState::kMounted:
    case VolumeState::kEmpty:
      return true;
    case VolumeState::kMounting:
      // A record is not written anew when the mount is there: the mount tells.
      return CheckMounted(row).ok();
    case VolumeState::kWaiting:
      return false;
  }
  return false;
}

absl::Status VolumeStats::CheckMounted(const VolumeRow& row) {
  ASSIGN_OR_RETURN(const ResolvedTarget target, targets_.Resolve(row.target));
  ASSIGN_OR_RETURN(const bool mounted, mounter_.IsMounted(target.target()));
  if (mounted) return absl::OkStatus();
  return absl::NotFoundError(
      absl::StrCat("nothing is mounted at ", row.target));
}

TreeUsage VolumeStats::UsageOf(const VolumeRow& row) {
  const std::string tree = WritableTree(layout_, row);
  if (tree.empty()) return TreeUsage();
  const absl::Time now = clock_.Now();
  {
    MutexLock lock(mu_);
    const auto it = counts_.find(row.id);
    if (it != counts_.end() && it->second.tree == tree) {
      it->second.asked = now;
      return it->second.usage;
    }
  }
  // The walk is outside of the mutex: the disk may be slow.
  const absl::StatusOr<TreeUsage> counted =
      CountTree(tree, options_.max_entries_inline);
  const TreeUsage usage =
      counted.ok() ? *counted : TreeUsage{.complete = false};
  MutexLock lock(mu_);
  // What the bound cut off is counted in full as soon as possible.
  counts_[row.id] = {.tree = tree,
                     .usage = usage,
                     .due = usage.complete ? now + options_.max_age : now,
                     .asked = now};
  return usage;
}

void VolumeStats::Condition(const VolumeRow& row, const TreeUsage& usage,
                            VolumeFigures* figures) {
  figures->condition = usage.complete
                           ? "agent volume is mounted"
                           : "agent volume is mounted; used is a minimum";
  if (row.state == VolumeState::kEmpty) {
    figures->is_abnormal = true;
    figures->condition = absl::StrCat("no agent was injected: ", row.reason);
    return;
  }
  const absl::Status mounted = CheckMounted(row);
  if (mounted.ok()) return;
  figures->is_abnormal = true;
  figures->condition = std::string(mounted.message());
}

TreeUsage VolumeStats::Total() const {
  TreeUsage total;
  MutexLock lock(mu_);
  for (const auto& [id, count] : counts_) {
    total.bytes += count.usage.bytes;
    total.inodes += count.usage.inodes;
    total.complete = total.complete && count.usage.complete;
  }
  return total;
}

void VolumeStats::RunOnce() {
  std::vector<std::pair<std::string, std::string>> due;
  const absl::Time now = clock_.Now();
  {
    MutexLock lock(mu_);
    for (auto it = counts_.begin(); it != counts_.end();) {
      if (now - it->second.asked >= options_.forget_after) {
        it = counts_.erase(it);
        continue;
      }
      if (it->second.due <= now) due.emplace_back(it->first, it->second.tree);
      ++it;
    }
  }
  for (const auto& [volume_id, tree] : due) Recount(volume_id, tree);
}

void VolumeStats::Recount(const std::string& volume_id,
                          const std::string& tree) {
  const absl::Time begin = clock_.Now();
  const absl::StatusOr<TreeUsage> usage = CountTree(tree, options_.max_entries);
  const absl::Time end = clock_.Now();
  MutexLock lock(mu_);
  const auto it = counts_.find(volume_id);
  if (it == counts_.end() || it->second.tree != tree) return;
  if (!usage.ok()) {
    // Unpublished meanwhile: forgotten. Else the next Get tries again.
    counts_.erase(it);
    return;
  }
  it->second.usage = *usage;
  it->second.due =
      end + std::max(options_.max_age, kIdleFactor * (end - begin));
}

}  // namespace oneagent
