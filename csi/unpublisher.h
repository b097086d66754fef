// Unpublish: from a mount to nothing. The numbered sequence and its crash
// windows are at the top of unpublisher.cc.
//
// Thread-safe for different volume ids; calls for one volume id must be
// serialised by the caller (WorkQueue does).
#ifndef CSI_UNPUBLISHER_H_
#define CSI_UNPUBLISHER_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "cache/index/rows.h"
#include "csi/reference_volumes.h"
#include "csi/volume_context.h"
#include "overlay/target_resolver.h"

namespace oneagent {

struct UnpublishResult {
  absl::Status status;
  // What was on record about the volume, also when it could not be
  // unpublished. For logs and events; none for an unknown volume.
  std::optional<VolumeRow> known;
};

class Unpublisher {
 public:
  // The context is borrowed and must outlive this. `reference_data_dir` as
  // Publisher::Options.
  Unpublisher(const VolumeContext& context, std::string reference_data_dir);

  // OK only when the target is gone. Unknown and never mounted volumes are
  // OK. Unavailable when the target is busy: nothing was deleted.
  UnpublishResult Unpublish(absl::string_view volume_id,
                            absl::string_view target_path);

 private:
  absl::StatusOr<std::vector<ResolvedTarget>> ResolveAll(
      const std::vector<std::string>& paths) const;
  absl::Status TakeDown(absl::string_view volume_id,
                        const std::vector<ResolvedTarget>& targets,
                        const Verdict& before);

  const VolumeContext& context_;
  const ReferenceVolumes reference_;
};

}  // namespace oneagent

#endif  // CSI_UNPUBLISHER_H_
