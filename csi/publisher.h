// Publish and unpublish: the only place (with the reconciler) that knows both
// leases and mounts. The numbered sequences and their crash windows are at the
// top of publisher.cc and unpublisher.cc.
//
// Thread-safe for different volume ids; calls for one volume id must be
// serialised by the caller (WorkQueue does).
#ifndef CSI_PUBLISHER_H_
#define CSI_PUBLISHER_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "cache/index/index.h"
#include "cache/index/layout.h"
#include "csi/volume_request.h"
#include "overlay/mounter.h"
#include "overlay/target_resolver.h"

namespace oneagent {

enum class PublishOutcome {
  kMounted,
  kAlreadyPublished,
  kEmpty,  // failed open: pod starts without an agent
};
const char* Name(PublishOutcome outcome);

struct PublishResult {
  PublishOutcome outcome = PublishOutcome::kMounted;
  std::string agent_id;
  std::string reason;  // kEmpty: why
};

class Publisher {
 public:
  struct Options {
    std::string boot_id;
    int32_t max_mount_attempts = 0;  // 0: no limit
  };
  // All borrowed; must outlive the publisher.
  Publisher(Options options, Layout layout, Index& index, Mounter& mounter,
            const TargetResolver& targets, const Clock& clock);

  // Errors: InvalidArgument for a target that is not where kubelet puts
  // volumes (not counted as an attempt); Unavailable for every failure of a
  // valid request: everything was rolled back but the failure record, and
  // kubelet retries. (A final code would make kubelet forget the volume: it
  // would never unpublish it, csi_client isFinalError.)
  absl::StatusOr<PublishResult> Publish(const PublishRequest& request);

  // OK only when the target is gone. Unknown and never mounted volumes are
  // OK. Unavailable when the target is busy: nothing was deleted.
  absl::Status Unpublish(absl::string_view volume_id,
                         absl::string_view target_path);

 private:
  struct Attempt;  // one publish in progress (publisher.cc)

  const Options options_;
  const Layout layout_;
  Index& index_;
  Mounter& mounter_;
  const TargetResolver& targets_;
  const Clock& clock_;

  Mutex mu_;
  // Failures that neither index nor disk would take: volume id -> since.
  std::map<std::string, absl::Time> unrecorded_ ABSL_GUARDED_BY(mu_);
};

}  // namespace oneagent

#endif  // CSI_PUBLISHER_H_
