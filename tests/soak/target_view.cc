#include "tests/soak/target_view.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/unique_fd.h"
#include "tests/soak/sample_agent.h"

namespace oneagent {
namespace {

constexpr char kMarker[] = "ONEAGENT_NOT_INJECTED";

// proc(5): id, parent, device, root, mount point, options, optional fields up
// to "-", then type, source and options of the file system. Our paths have no
// character that the kernel escapes.
struct MountLine {
  uint64_t id = 0;
  std::string root;
  std::string point;
  std::string options;
  std::string type;
  std::string text;
};

std::vector<MountLine> ReadMounts(absl::string_view needle) {
  std::string table;
  if (!ReadFile("/proc/self/mountinfo", &table)) return {};
  std::vector<MountLine> mounts;
  for (const absl::string_view line : absl::StrSplit(table, '\n')) {
    if (!absl::StrContains(line, needle)) continue;
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    size_t dash = 6;
    while (dash < words.size() && words[dash] != "-") ++dash;
    if (dash + 1 >= words.size()) continue;
    MountLine mount{.root = words[3],
                    .point = words[4],
                    .options = words[5],
                    .type = words[dash + 1],
                    .text = std::string(line)};
    if (absl::SimpleAtoi(words[0], &mount.id)) mounts.push_back(mount);
  }
  return mounts;
}

TargetView::Kind KindOf(const MountLine& mount, const std::string& target,
                        TargetView& view) {
  if (mount.type == "overlay") {
    std::string version;
    if (!ReadFile(absl::StrCat(target, "/", kVersionFile), &version)) {
      return TargetView::Kind::kStrange;
    }
    view.version = std::string(absl::StripSuffix(version, "\n"));
    return TargetView::Kind::kAgent;
  }
  if (absl::StrContains(mount.root, "/host/")) return TargetView::Kind::kHost;
  if (mount.type == "tmpfs" && mount.root == "/" &&
      ReadFile(absl::StrCat(target, "/", kMarker), &view.marker) &&
      !view.marker.empty()) {
    return TargetView::Kind::kEmpty;
  }
  return TargetView::Kind::kStrange;
}

}  // namespace

const char* Name(TargetView::Kind kind) {
  switch (kind) {
    case TargetView::Kind::kNothing:
      return "nothing";
    case TargetView::Kind::kBare:
      return "bare directory";
    case TargetView::Kind::kAgent:
      return "agent";
    case TargetView::Kind::kHost:
      return "host storage";
    case TargetView::Kind::kEmpty:
      return "empty volume";
    case TargetView::Kind::kStrange:
      return "something strange";
  }
  return "?";
}

std::string Describe(const TargetView& view) {
  return absl::StrCat(Name(view.kind), " ", view.version,
                      view.read_only ? " read-only" : "", ", mount ",
                      view.mount_id, ", stacked ", view.mounts);
}

TargetView LookAt(const std::string& target) {
  TargetView view;
  struct stat info;
  if (lstat(target.c_str(), &info) != 0) return view;
  view.kind = TargetView::Kind::kBare;
  MountLine top;
  for (MountLine& mount : ReadMounts(target)) {
    if (mount.point != target) continue;
    ++view.mounts;
    top = std::move(mount);
  }
  if (view.mounts == 0) return view;
  view.mount_id = top.id;
  view.line = top.text;
  view.read_only = absl::StartsWith(absl::StrCat(top.options, ","), "ro,");
  view.kind = KindOf(top, target, view);
  return view;
}

std::vector<std::string> MountsBelow(absl::string_view directory) {
  std::vector<std::string> found;
  for (const MountLine& mount : ReadMounts(directory)) {
    if (absl::StartsWith(mount.point, absl::StrCat(directory, "/"))) {
      found.push_back(mount.text);
    }
  }
  return found;
}

bool ReadFile(const std::string& path, std::string* content) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.ok()) return false;
  content->clear();
  char buffer[64 << 10];
  for (;;) {
    const ssize_t n = read(fd.get(), buffer, sizeof(buffer));
    if (n == 0) return true;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    content->append(buffer, static_cast<size_t>(n));
  }
}

bool WriteFile(const std::string& path, absl::string_view content) {
  const UniqueFd fd(
      open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd.ok()) return false;
  const ssize_t n = write(fd.get(), content.data(), content.size());
  if (n < 0) return false;
  if (static_cast<size_t>(n) == content.size()) return true;
  errno = ENOSPC;
  return false;
}

}  // namespace oneagent
