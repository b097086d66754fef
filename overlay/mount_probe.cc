#include "overlay/mount_probe.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/durable_file.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "base/trash.h"
#include "overlay/layer_stack.h"
#include "overlay/target_state.h"

namespace oneagent {
namespace {

constexpr char kTarget[] = "target";
// A file in each lower layer, named as the layer is.
constexpr char kLowers[][7] = {"first", "second"};

absl::Status Write(int root_fd, const std::string& name, int flags) {
  const UniqueFd file(
      openat(root_fd, name.c_str(), O_WRONLY | O_CLOEXEC | flags, 0600));
  if (!file.ok() || write(file.get(), "x", 1) != 1) {
    return PosixStatus(absl::StrCat("write ", name, " in the overlay"), errno);
  }
  return absl::OkStatus();
}

absl::Status CheckShown(int root_fd, bool read_only) {
  for (const std::string name : kLowers) {
    const UniqueFd file(openat(root_fd, name.c_str(), O_RDONLY | O_CLOEXEC));
    char first = 0;
    if (!file.ok() || read(file.get(), &first, 1) != 1) {
      return PosixStatus(absl::StrCat("read ", name, " in the overlay"), errno);
    }
    if (first != name[0]) {
      return absl::DataLossError(
          absl::StrCat("read ", name, " in the overlay: another file's bytes"));
    }
  }
  if (read_only) return absl::OkStatus();
  RETURN_IF_ERROR(Write(root_fd, kLowers[0], O_APPEND));  // a copy-up
  return Write(root_fd, "new", O_CREAT | O_EXCL);
}

// What is mounted for one way: layers of its own below scratch/<name>.
class Scratch {
 public:
  static absl::StatusOr<Scratch> Make(const std::string& directory) {
    Scratch scratch(directory);
    RETURN_IF_ERROR(EnsureDirectory(directory, 0700));
    for (const std::string name : kLowers) {
      const std::string lower = absl::StrCat(directory, "/", name);
      RETURN_IF_ERROR(EnsureDirectory(lower, 0755));
      RETURN_IF_ERROR(WriteFileAtomically(absl::StrCat(lower, "/", name), name,
                                          0644, Durability::kNoSync));
    }
    for (const char* const name : {"upper", "work", kTarget}) {
      RETURN_IF_ERROR(EnsureDirectory(absl::StrCat(directory, "/", name),
                                      name[0] == 'u' ? 0777 : 0700));
    }
    return scratch;
  }

  absl::StatusOr<OverlayPlan> Plan(bool read_only) const {
    LayerStack stack;
    for (const char* const name : kLowers) stack.lower.push_back(Path(name));
    if (!read_only) stack.upper = Path("upper");
    if (!read_only) stack.work = Path("work");
    return PlanOverlay(stack, /*empty_layer=*/"");
  }

  std::string Path(absl::string_view name) const {
    return absl::StrCat(directory_, "/", name);
  }
  const std::string& directory() const { return directory_; }

 private:
  explicit Scratch(std::string directory) : directory_(std::move(directory)) {}
  std::string directory_;
};

absl::Status TryDetached(MountApi api, const Scratch& scratch) {
  for (const bool read_only : {false, true}) {
    ASSIGN_OR_RETURN(const OverlayPlan plan, scratch.Plan(read_only));
    ASSIGN_OR_RETURN(const UniqueFd mount,
                     KernelMounter(api).BuildDetached(plan));
    RETURN_IF_ERROR(CheckShown(mount.get(), read_only));
  }
  return absl::OkStatus();
}

absl::Status TryAttached(const Scratch& scratch) {
  if (unshare(CLONE_NEWNS) != 0) {
    return PosixStatus("unshare a mount namespace", errno);
  }
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return PosixStatus("make / private", errno);
  }
  // Opened here: a descriptor from outside leads out of the namespace.
  ASSIGN_OR_RETURN(const UniqueFd parent, OpenDirectory(scratch.directory()));
  const MountTarget target{.parent_fd = parent.get(),
                           .name = kTarget,
                           .path = scratch.Path(kTarget)};
  KernelMounter mounter(MountApi::kLegacy);
  for (const bool read_only : {false, true}) {
    ASSIGN_OR_RETURN(const OverlayPlan plan, scratch.Plan(read_only));
    RETURN_IF_ERROR(mounter.MountOverlay(plan, target));
    absl::Status shown;
    {
      ASSIGN_OR_RETURN(const UniqueFd root, OpenTarget(target));
      shown = CheckShown(root.get(), read_only);
    }
    RETURN_IF_ERROR(mounter.Unmount(target));
    RETURN_IF_ERROR(shown);
  }
  return absl::OkStatus();
}

absl::Status Try(MountApi api, const std::string& directory) {
  ASSIGN_OR_RETURN(const Scratch scratch, Scratch::Make(directory));
  if (api != MountApi::kLegacy) return TryDetached(api, scratch);
  absl::Status status;
  // A mount namespace is a thread's own until it ends.
  std::thread([&] { status = TryAttached(scratch); }).join();
  return status;
}

// The best of the ways that show two existing directories, read-only.
MountApi Guess(const std::string& lower, const std::string& other) {
  OverlayPlan plan;
  plan.lower = {lower, other};
  plan.read_only = true;
  for (const MountApi api : {MountApi::kLayerFds, MountApi::kLayerStrings}) {
    if (KernelMounter(api).BuildDetached(plan).ok()) return api;
  }
  return MountApi::kLegacy;
}

}  // namespace

std::string AnswersText(const std::vector<WayAnswer>& answers) {
  return absl::StrJoin(
      answers, "; ", [](std::string* text, const WayAnswer& answer) {
        absl::StrAppend(text, Name(answer.api), ": ", answer.status.message());
      });
}

absl::Status MountWay::AsStatus() const {
  if (works) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("no overlay can be mounted: ", AnswersText(refused)));
}

absl::StatusOr<MountWay> ProbeMounts(const std::string& scratch,
                                     const std::string& lower,
                                     const std::string& other) {
  MountWay way;
  for (const MountApi api : kMountApis) {
    // A tree that cannot be deleted shows when it is made anew.
    (void)DeleteTree(scratch);
    const absl::Status tried = Try(api, scratch);
    (void)DeleteTree(scratch);
    if (tried.ok()) {
      way.api = api;
      way.works = true;
      return way;
    }
    way.refused.push_back({.api = api, .status = tried});
  }
  const auto is_denied = [](const WayAnswer& answer) {
    return absl::IsPermissionDenied(answer.status);
  };
  if (std::all_of(way.refused.begin(), way.refused.end(), is_denied)) {
    return absl::PermissionDeniedError(way.AsStatus().message());
  }
  way.api = Guess(lower, other);
  return way;
}

}  // namespace oneagent
