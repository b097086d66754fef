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

bool IsPublished(const Verdict& verdict) {
  switch (verdict.fate) {
    case Fate::kMounted:
    case Fate::kEmpty:
    case Fate::kLost:
      return true;
    case Fate::kInDoubt:
      return verdict.volume.state == VolumeState::kMounted;
    case Fate::kNothing:
    case Fate::kOfEarlierBoot:
    case Fate::kWaiting:
    case Fate::kUnfinished:
    case Fate::kForeign:
      return false;
  }
  return false;
}

std::string Condition(const Verdict& verdict, const TreeUsage& usage) {
  if (verdict.fate == Fate::kEmpty) {
    return absl::StrCat("no agent was injected: ", verdict.volume.reason);
  }
  if (verdict.fate == Fate::kLost) {
    return absl::StrCat("nothing is mounted at ", verdict.volume.target);
  }
  if (verdict.fate == Fate::kInDoubt) {
    return absl::StrCat(verdict.volume.target,
                        ": cannot be told what is there");
  }
  return usage.complete ? "agent volume is mounted"
                        : "agent volume is mounted; used is a minimum";
}

}  // namespace

VolumeStats::VolumeStats(Options options, const VolumeContext& context)
    : options_(options), context_(context) {}

absl::StatusOr<VolumeFigures> VolumeStats::Get(absl::string_view volume_id,
                                               absl::string_view path) {
  ASSIGN_OR_RETURN(const Verdict verdict, Find(volume_id));
  const VolumeRow& row = verdict.volume;
  if (row.target != path || !IsPublished(verdict)) {
    return absl::NotFoundError(
        absl::StrCat("volume ", volume_id, " is not published at ", path));
  }
  VolumeFigures figures;
  RETURN_IF_ERROR(FillDisk(context_.layout.data_dir(), &figures));
  const TreeUsage usage = UsageOf(row);
  figures.bytes.used = usage.bytes;
  figures.inodes.used = usage.inodes;
  figures.condition = Condition(verdict, usage);
  figures.is_abnormal = verdict.fate != Fate::kMounted;
  return figures;
}

absl::StatusOr<Verdict> VolumeStats::Find(absl::string_view volume_id) const {
  const absl::Status unknown =
      absl::NotFoundError(absl::StrCat("volume ", volume_id, " is unknown"));
  Evidence evidence{.target = TargetView::kGone};
  const absl::Status read =
      context_.book.Read(volume_id, VolumeBook::Depth::kAll, evidence);
  const Verdict known = Judge(evidence, context_.boot_id);
  if (known.volume.id.empty()) {
    if (!read.ok()) return read;
    if (!IsVolumeId(volume_id) || !context_.book.HasRecord(volume_id)) {
      return unknown;
    }
    return absl::UnavailableError(absl::StrCat(
        context_.layout.VolumeRecord(volume_id), ": cannot be read"));
  }
  // No closer look: the mount table is not for a call that comes each minute
  // for each volume.
  evidence.target = ViewOf(context_, known.volume.target);
  return Judge(evidence, context_.boot_id);
}

TreeUsage VolumeStats::UsageOf(const VolumeRow& row) {
  const std::string tree = WritableTree(context_.layout, row);
  if (tree.empty()) return TreeUsage();
  const absl::Time now = context_.clock.Now();
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
  const absl::Time now = context_.clock.Now();
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
  const absl::Time begin = context_.clock.Now();
  const absl::StatusOr<TreeUsage> usage = CountTree(tree, options_.max_entries);
  const absl::Time end = context_.clock.Now();
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
