// How an app volume's layers are shown to its pod: today as one overlay,
// mounted straight on the target. Which layers a volume has is decided
// elsewhere (leases, publisher); a second kind of view, for pods whose runtime
// id-maps volumes (overlayfs cannot be), would live beside this one.
#ifndef CSI_APP_VIEW_H_
#define CSI_APP_VIEW_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "cache/index/layout.h"
#include "cache/index/rows.h"
#include "overlay/mount_table.h"
#include "overlay/mounter.h"

namespace oneagent {

// Directories, topmost first; an empty path is a layer that is not there.
struct AppLayers {
  std::string upper;   // what the pod writes; empty: read-only
  std::string work;    // set exactly when upper is
  std::string pod;     // what only this pod has
  std::string config;  // what its tenant has
  std::string agent;   // the shared agent

  bool operator==(const AppLayers&) const = default;
};

// The layers of a leased volume. Pure.
AppLayers LayersOf(const Layout& layout, const VolumeRow& row,
                   bool has_pod_layer);

// The mounter's directories, with the skeleton: the layer below every agent,
// which has the directories that containers mount something over. An agent that
// lacks one cannot be given it, because its tree may be a live lower layer.
// Idempotent. Errors: as Layout::Prepare.
absl::Status PrepareDataDir(const Layout& layout);

// Mounts the view of `layers` on `target`. Errors are the mounter's: nothing
// is mounted then.
absl::Status ShowApp(const Layout& layout, const AppLayers& layers,
                     Mounter& mounter, const MountTarget& target);

// What a line of the mount table says about a view of ours.
struct ShownApp {
  std::string volume_id;  // empty: no layer of the view names its volume
  std::string agent_id;
  std::string config_id;
  bool read_only = false;

  bool operator==(const ShownApp&) const = default;
};

// nullopt for a mount that is not a view of an agent below this data
// directory. Pure.
std::optional<ShownApp> RecognizeApp(const Layout& layout,
                                     const MountEntry& entry);

}  // namespace oneagent

#endif  // CSI_APP_VIEW_H_
