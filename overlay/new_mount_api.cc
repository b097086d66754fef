#include "overlay/new_mount_api.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "overlay/empty_volume.h"
#include "overlay/layer.h"
#include "overlay/target_state.h"

namespace oneagent {
namespace {

// fsconfig copies a string with its NUL into 256 bytes and answers EINVAL,
// without a word in its log, when that is too short.
constexpr size_t kMaxString = 255;

constexpr unsigned kMountAttributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;

// A file system being configured. Collects what the kernel has to say.
class MountContext {
 public:
  static absl::StatusOr<MountContext> Open(const char* fs_type) {
    UniqueFd fd(fsopen(fs_type, FSOPEN_CLOEXEC));
    if (!fd.ok()) return PosixStatus(absl::StrCat("fsopen ", fs_type), errno);
    MountContext context(std::move(fd));
    RETURN_IF_ERROR(context.SetString("source", kMountSource));
    return context;
  }

  absl::Status SetString(const char* key, const std::string& value) {
    return Checked(fsconfig(fd_.get(), FSCONFIG_SET_STRING, key, value.c_str(),
                            /*aux=*/0),
                   absl::StrCat(key, "=", value));
  }

  absl::Status SetFlag(const char* key) {
    return Checked(
        fsconfig(fd_.get(), FSCONFIG_SET_FLAG, key, nullptr, /*aux=*/0), key);
  }

  // `path` is for messages.
  absl::Status SetDescriptor(const char* key, int fd, const std::string& path) {
    return Checked(fsconfig(fd_.get(), FSCONFIG_SET_FD, key, nullptr, fd),
                   absl::StrCat(key, "=<", path, ">"));
  }

  absl::Status Create() {
    return Checked(fsconfig(fd_.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr,
                            /*aux=*/0),
                   "create super block");
  }

  // Of the file system itself, not only of one mount of it: a container
  // runtime that binds the volume somewhere cannot lift that by accident.
  absl::Status MakeReadOnly() {
    RETURN_IF_ERROR(SetFlag("ro"));
    return Checked(fsconfig(fd_.get(), FSCONFIG_CMD_RECONFIGURE, nullptr,
                            nullptr, /*aux=*/0),
                   "make read-only");
  }

  absl::StatusOr<UniqueFd> Mount(unsigned attributes) {
    UniqueFd mount(fsmount(fd_.get(), FSMOUNT_CLOEXEC, attributes));
    if (!mount.ok()) return Checked(-1, "fsmount");
    return mount;
  }

 private:
  explicit MountContext(UniqueFd fd) : fd_(std::move(fd)) {}

  absl::Status Checked(int result, absl::string_view step) {
    if (result >= 0) return absl::OkStatus();
    const int error = errno;
    absl::Status status = PosixStatus(step, error);
    if (error == EINVAL) {
      status = WithCode(status, absl::StatusCode::kInvalidArgument);
    }
    const std::string log = ReadLog();
    if (log.empty()) return status;
    return absl::Status(status.code(),
                        absl::StrCat(status.message(), " (", log, ")"));
  }

  // One message a read, "<e|w|i> text\n"; ENODATA ends them.
  std::string ReadLog() {
    std::string log;
    char buffer[1024];
    while (true) {
      const ssize_t count = read(fd_.get(), buffer, sizeof(buffer));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return log;
      absl::string_view text(buffer, static_cast<size_t>(count));
      text = absl::StripAsciiWhitespace(text);
      if (text.size() > 2 && text[1] == ' ') text.remove_prefix(2);
      absl::StrAppend(&log, log.empty() ? "" : "; ", text);
    }
  }

  UniqueFd fd_;
};

// A string for a layer that is open as `fd`. `text` is preferred because it is
// what the mount table will show; any length fits through the descriptor.
std::string LayerString(const std::string& text, int fd) {
  return text.size() <= kMaxString ? text : DescriptorPath(fd);
}

absl::Status SetLayersByDescriptor(const OverlayPlan& plan,
                                   const OpenLayers& layers,
                                   MountContext& context) {
  for (size_t i = 0; i < plan.lower.size(); ++i) {
    RETURN_IF_ERROR(context.SetDescriptor("lowerdir+", layers.lower[i].get(),
                                          plan.lower[i]));
  }
  if (plan.upper.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(
      context.SetDescriptor("upperdir", layers.upper.get(), plan.upper));
  return context.SetDescriptor("workdir", layers.work.get(), plan.work);
}

absl::Status SetLayersByString(const OverlayPlan& plan,
                               const OpenLayers& layers,
                               MountContext& context) {
  for (size_t i = 0; i < plan.lower.size(); ++i) {
    // lowerdir+ is taken as it is; upperdir and workdir are unescaped.
    RETURN_IF_ERROR(context.SetString(
        "lowerdir+", LayerString(plan.lower[i], layers.lower[i].get())));
  }
  if (plan.upper.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(context.SetString(
      "upperdir",
      LayerString(EscapeLayerPath(plan.upper), layers.upper.get())));
  return context.SetString(
      "workdir", LayerString(EscapeLayerPath(plan.work), layers.work.get()));
}

}  // namespace

absl::StatusOr<UniqueFd> BuildOverlay(const OverlayPlan& plan,
                                      LayerPassing passing) {
  ASSIGN_OR_RETURN(const OpenLayers layers, OpenAllLayers(plan));
  ASSIGN_OR_RETURN(MountContext context, MountContext::Open("overlay"));
  switch (passing) {
    case LayerPassing::kDescriptors:
      RETURN_IF_ERROR(SetLayersByDescriptor(plan, layers, context));
      break;
    case LayerPassing::kStrings:
      RETURN_IF_ERROR(SetLayersByString(plan, layers, context));
      break;
  }
  for (const OverlayOption& option : kOverlayOptions) {
    RETURN_IF_ERROR(context.SetString(option.key, option.value));
  }
  if (plan.is_volatile) RETURN_IF_ERROR(context.SetFlag("volatile"));
  RETURN_IF_ERROR(context.Create());
  ASSIGN_OR_RETURN(
      UniqueFd mount,
      context.Mount(kMountAttributes |
                    (plan.read_only ? unsigned{MOUNT_ATTR_RDONLY} : 0U)));
  if (!plan.read_only) RETURN_IF_ERROR(CheckWritable(mount.get()));
  return mount;
}

absl::StatusOr<UniqueFd> BuildEmptyVolume(const EmptyVolume& volume) {
  ASSIGN_OR_RETURN(MountContext context, MountContext::Open("tmpfs"));
  for (const TmpfsOption& option : kEmptyVolumeOptions) {
    RETURN_IF_ERROR(context.SetString(option.key, option.value));
  }
  RETURN_IF_ERROR(context.Create());
  ASSIGN_OR_RETURN(UniqueFd mount, context.Mount(kMountAttributes));
  RETURN_IF_ERROR(FillEmptyVolume(mount.get(), volume));
  if (volume.read_only) RETURN_IF_ERROR(context.MakeReadOnly());
  return mount;
}

absl::StatusOr<UniqueFd> BuildBind(const std::string& storage, bool read_only) {
  ASSIGN_OR_RETURN(const UniqueFd directory, OpenLayer("storage", storage));
  UniqueFd mount(open_tree(
      directory.get(), "",
      OPEN_TREE_CLONE | unsigned{OPEN_TREE_CLOEXEC} | unsigned{AT_EMPTY_PATH}));
  if (!mount.ok()) {
    return PosixStatus(absl::StrCat("open_tree ", storage), errno);
  }
  struct mount_attr attributes = {};
  attributes.attr_set =
      kMountAttributes | (read_only ? unsigned{MOUNT_ATTR_RDONLY} : 0U);
  if (mount_setattr(mount.get(), "", AT_EMPTY_PATH, &attributes,
                    sizeof(attributes)) != 0) {
    return PosixStatus(absl::StrCat("mount_setattr ", storage), errno);
  }
  return mount;
}

absl::Status Attach(int mount_fd, const MountTarget& target) {
  // Without MOVE_MOUNT_T_SYMLINKS: a link that was planted since we looked
  // fails with EINVAL.
  if (move_mount(mount_fd, "", target.parent_fd, target.name.c_str(),
                 MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return PosixStatus(absl::StrCat("attach ", target.path), errno);
  }
  return absl::OkStatus();
}

}  // namespace oneagent
