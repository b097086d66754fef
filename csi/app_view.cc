#include "csi/app_view.h"

#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "overlay/layer_stack.h"
#include "overlay/mount_points.h"

namespace oneagent {
namespace {

bool IsOctal(char c) { return c >= '0' && c <= '7'; }

// The options with the kernel's octal escapes decoded and overlayfs' own
// backslashes dropped, so that paths can be found in them as they are.
std::string Plain(absl::string_view options) {
  std::string plain;
  for (size_t i = 0; i < options.size(); ++i) {
    if (options[i] != '\\') {
      plain.push_back(options[i]);
      continue;
    }
    if (i + 3 < options.size() && IsOctal(options[i + 1]) &&
        IsOctal(options[i + 2]) && IsOctal(options[i + 3])) {
      const int code = (options[i + 1] - '0') * 64 +
                       (options[i + 2] - '0') * 8 + (options[i + 3] - '0');
      i += 3;
      // An escaped backslash is overlayfs' own and is dropped as well.
      if (code != '\\') plain.push_back(static_cast<char>(code));
    }
  }
  return plain;
}

// The name below `parent` in the first "<parent>/<name>" of `options`.
std::string NameBelow(absl::string_view options, const std::string& parent) {
  const std::string prefix = absl::StrCat(parent, "/");
  const size_t begin = options.find(prefix);
  if (begin == absl::string_view::npos) return "";
  const absl::string_view rest = options.substr(begin + prefix.size());
  return std::string(rest.substr(0, rest.find_first_of("/:,")));
}

// Data directories may hold a backslash, too; Plain drops them.
std::string WithoutBackslashes(std::string path) {
  std::erase(path, '\\');
  return path;
}

}  // namespace

AppLayers LayersOf(const Layout& layout, const VolumeRow& row,
                   bool has_pod_layer) {
  AppLayers layers;
  if (!row.read_only) {
    layers.upper = layout.VolumeUpper(row.id);
    layers.work = layout.VolumeWork(row.id);
  }
  if (has_pod_layer) layers.pod = layout.VolumePodLayer(row.id);
  if (!row.config_id.empty()) layers.config = layout.ConfigTree(row.config_id);
  layers.agent = layout.AgentTree(row.agent_id);
  return layers;
}

absl::Status PrepareDataDir(const Layout& layout) {
  RETURN_IF_ERROR(layout.Prepare(Owner::kMounter));
  return MakeMountPoints(layout.SkeletonDir());
}

absl::Status ShowApp(const Layout& layout, const AppLayers& layers,
                     Mounter& mounter, const MountTarget& target) {
  LayerStack stack{.lower = {}, .upper = layers.upper, .work = layers.work};
  for (const std::string& layer : {layers.pod, layers.config, layers.agent}) {
    if (!layer.empty()) stack.lower.push_back(layer);
  }
  stack.lower.push_back(layout.SkeletonDir());
  ASSIGN_OR_RETURN(const OverlayPlan plan,
                   PlanOverlay(stack, layout.SkeletonDir()));
  return mounter.MountOverlay(plan, target);
}

std::optional<ShownApp> RecognizeApp(const Layout& layout,
                                     const MountEntry& entry) {
  if (entry.fs_type != "overlay" || entry.source != kMountSource) {
    return std::nullopt;
  }
  const std::string options = Plain(entry.super_options);
  ShownApp shown;
  shown.agent_id = NameBelow(options, WithoutBackslashes(layout.AgentsDir()));
  if (shown.agent_id.empty()) return std::nullopt;
  shown.config_id = NameBelow(options, WithoutBackslashes(layout.ConfigsDir()));
  shown.volume_id = NameBelow(options, WithoutBackslashes(layout.VolumesDir()));
  shown.read_only = !absl::StrContains(options, "upperdir=");
  return shown;
}

}  // namespace oneagent
