// What the mount table says about the data directory and the volumes.
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "cache/inspect/node_facts.h"
#include "overlay/mount_table.h"

namespace oneagent {
namespace {

std::string RealPath(const std::string& path) {
  char resolved[PATH_MAX];
  return realpath(path.c_str(), resolved) == nullptr ? path : resolved;
}

// "/a" + "/b"; "/" is the neutral element on both sides.
std::string Join(absl::string_view a, absl::string_view b) {
  if (a == "/") return std::string(b);
  if (b == "/") return std::string(a);
  return absl::StrCat(a, b);
}

bool IsAtOrBelow(absl::string_view path, absl::string_view directory) {
  if (directory == "/") return true;
  return absl::StartsWith(path, directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

// What follows `directory` in `path`, "/" when nothing does.
std::string Below(absl::string_view path, absl::string_view directory) {
  if (directory == "/") return std::string(path);
  path.remove_prefix(directory.size());
  return path.empty() ? "/" : std::string(path);
}

// The mount that a path is on: the deepest, of stacked ones the last.
const MountEntry* MountOf(const std::vector<MountEntry>& table,
                          const std::string& path) {
  const MountEntry* found = nullptr;
  for (const MountEntry& entry : table) {
    if (IsAtOrBelow(path, entry.mount_point) &&
        (found == nullptr ||
         entry.mount_point.size() >= found->mount_point.size())) {
      found = &entry;
    }
  }
  return found;
}

// The target that the mount point is strictly below; empty: none.
std::string TargetAbove(const std::set<std::string>& targets,
                        absl::string_view mount_point) {
  for (size_t slash = mount_point.rfind('/');
       slash != 0 && slash != absl::string_view::npos;
       slash = mount_point.rfind('/')) {
    mount_point = mount_point.substr(0, slash);
    const auto found = targets.find(std::string(mount_point));
    if (found != targets.end()) return *found;
  }
  return "";
}

bool SameDirectory(const std::string& a, const std::string& b) {
  struct stat left;
  struct stat right;
  return stat(a.c_str(), &left) == 0 && stat(b.c_str(), &right) == 0 &&
         left.st_dev == right.st_dev && left.st_ino == right.st_ino;
}

class MountGatherer {
 public:
  MountGatherer(const std::vector<MountEntry>& table,
                const std::string& data_dir)
      : table_(table), data_dir_(RealPath(data_dir)) {
    home_ = MountOf(table_, data_dir_);
    if (home_ != nullptr) {
      in_file_system_ = Join(home_->root, Below(data_dir_, home_->mount_point));
    }
  }

  void Gather(MountFacts* facts) const {
    std::set<std::string> targets;
    for (const auto& [target, resolved] : facts->resolved) {
      targets.insert(resolved);
    }
    for (const MountEntry& entry : table_) {
      const bool ours = IsOurs(entry);
      if (ours || targets.count(entry.mount_point) != 0) {
        facts->mounts.push_back({entry.mount_point, ours});
      }
      if (entry.mount_point != data_dir_ &&
          IsAtOrBelow(entry.mount_point, data_dir_)) {
        facts->inside.push_back(entry.mount_point);
      }
      if (IsOtherView(entry)) facts->other_views.push_back(entry.mount_point);
      const std::string above = TargetAbove(targets, entry.mount_point);
      if (!above.empty()) facts->below[above].push_back(entry.mount_point);
    }
  }

 private:
  bool OnSameFileSystem(const MountEntry& entry) const {
    return home_ != nullptr && entry.source == home_->source &&
           entry.fs_type == home_->fs_type;
  }

  bool IsOurs(const MountEntry& entry) const {
    if (entry.source == kMountSource &&
        (entry.fs_type == "overlay" || entry.fs_type == "tmpfs")) {
      return true;
    }
    // mode=host: a bind shows the disk's name, but its root is our storage.
    return OnSameFileSystem(entry) &&
           IsAtOrBelow(entry.root, Join(in_file_system_, "/host")) &&
           !IsAtOrBelow(entry.mount_point, data_dir_);
  }

  // The table has no device numbers here and a source name may be shared
  // ("tmpfs"), so a candidate is compared by inode.
  bool IsOtherView(const MountEntry& entry) const {
    if (!OnSameFileSystem(entry) || !IsAtOrBelow(in_file_system_, entry.root)) {
      return false;
    }
    const std::string path =
        Join(entry.mount_point, Below(in_file_system_, entry.root));
    return path != data_dir_ && SameDirectory(path, data_dir_);
  }

  const std::vector<MountEntry>& table_;
  const std::string data_dir_;
  const MountEntry* home_ = nullptr;
  std::string in_file_system_;
};

}  // namespace

MountFacts GatherMounts(const std::string& data_dir,
                        const std::vector<std::string>& targets) {
  MountFacts facts;
  for (const std::string& target : targets) {
    facts.resolved.emplace(target, RealPath(target));
  }
  const absl::StatusOr<std::vector<MountEntry>> table = ReadMountTable();
  if (!table.ok()) {
    facts.status = table.status();
    return facts;
  }
  MountGatherer(*table, data_dir).Gather(&facts);
  return facts;
}

}  // namespace oneagent
