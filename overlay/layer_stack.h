// What an overlay consists of, and the plan that a mounter carries out. Pure:
// no I/O, no knowledge of volumes or agents.
#ifndef OVERLAY_LAYER_STACK_H_
#define OVERLAY_LAYER_STACK_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace oneagent {

// Absolute paths of directories. Topmost lower layer first.
struct LayerStack {
  std::vector<std::string> lower;
  std::string upper;  // empty: read-only overlay
  std::string work;   // set exactly when upper is

  bool operator==(const LayerStack&) const = default;
};

// What a node's administrator may have switched on for all overlays
// (/sys/module/overlay/parameters) and ours do without: `index` and
// `nfs_export` bind an upper directory to the lower layers that it was first
// mounted with, which a switch of configurations between two tries would break;
// `metacopy` and `redirect_dir` keep parts of what a pod wrote in attributes
// that mean something beside the same lower layers only. Linux 4.19 knows all
// of them.
struct OverlayOption {
  const char* key;
  const char* value;
};
inline constexpr OverlayOption kOverlayOptions[] = {
    {"index", "off"},      {"metacopy", "off"}, {"redirect_dir", "off"},
    {"nfs_export", "off"}, {"xino", "off"},
};

struct OverlayPlan {
  std::vector<std::string> lower;  // topmost first, enough for the kernel
  std::string upper;
  std::string work;
  bool read_only = false;
  bool is_volatile = false;  // no sync at umount (Linux 5.10)
  // The option string for mount(2), with ',' ':' and '\' escaped as
  // overlayfs reads them. Not bounded here: the mounter checks its length.
  std::string legacy_options;

  bool operator==(const OverlayPlan&) const = default;
};

// `path` as overlayfs reads it in an option that it unescapes: lowerdir,
// upperdir and workdir, but not lowerdir+.
std::string EscapeLayerPath(absl::string_view path);

// Plans a volatile overlay of `stack` (volatile only where there is something
// to write). A read-only overlay with one lower layer gets `empty_layer` below
// it (the kernel refuses a single one with EINVAL). InvalidArgument: no lower
// layer, a path that is not absolute or carries a NUL, upper without work or
// the reverse.
absl::StatusOr<OverlayPlan> PlanOverlay(const LayerStack& stack,
                                        absl::string_view empty_layer);

// The same overlay, whose umount syncs the disk.
OverlayPlan WithoutVolatile(OverlayPlan plan);

}  // namespace oneagent

#endif  // OVERLAY_LAYER_STACK_H_
