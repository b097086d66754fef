// What publish, unpublish and the volumes' housekeeping work with, and the
// evidence that they gather with it.
#ifndef CSI_VOLUME_CONTEXT_H_
#define CSI_VOLUME_CONTEXT_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "cache/index/index.h"
#include "cache/index/layout.h"
#include "csi/mounted_volumes.h"
#include "csi/volume_book.h"
#include "csi/volume_verdict.h"
#include "overlay/mounter.h"
#include "overlay/target_resolver.h"

namespace oneagent {

// Borrowed; whoever has a VolumeContext outlives neither it nor what is in it.
struct VolumeContext {
  const Layout& layout;
  const std::string& boot_id;
  Index& index;
  VolumeBook& book;
  Mounter& mounter;
  const TargetResolver& targets;
  const MountedVolumes& mounted;
  const Clock& clock;
  // The index may not know what is mounted: it is to be reconciled once more.
  // Must not block.
  std::function<void()> request_reconcile;
};

// What stands at an open target, by one statx: kMount where that is a mount.
TargetView ViewOf(Mounter& mounter, const MountTarget& target);
// The same of a path; kGone, too, where its parent is gone.
TargetView ViewOf(const VolumeContext& context, absl::string_view target_path);

// Looks closer at a kMount, in the mount table.
void LookCloser(const VolumeContext& context, const std::string& target_path,
                Evidence& evidence);
void LookCloser(const MountedVolumes::Shown& shown,
                const std::string& target_path, Evidence& evidence);

}  // namespace oneagent

#endif  // CSI_VOLUME_CONTEXT_H_
