// Publish: from a request to a mount, or, when its time is over, to an empty
// volume. The numbered sequences and their crash windows are at the top of
// publisher.cc and publish_failure.cc.
//
// Thread-safe for different volume ids; calls for one volume id must be
// serialised by the caller (WorkQueue does).
#ifndef CSI_PUBLISHER_H_
#define CSI_PUBLISHER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cache/index/rows.h"
#include "csi/reference_volumes.h"
#include "csi/volume_context.h"
#include "csi/volume_request.h"
#include "overlay/mounter.h"

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
  std::string reason;  // of an empty volume: why
  Cause cause = Cause::kNone;
  // What came before kMounted and kEmpty: attempts that failed, and for how
  // long.
  int32_t failures = 0;
  absl::Duration waited = {};
};

class Publisher {
 public:
  struct Options {
    int32_t max_mount_attempts = 0;  // 0: no limit
    // New volumes are published empty at once; what is mounted is served and
    // unpublished as ever.
    bool drain = false;
    // Whether empty volumes hold a library that does nothing in the agent's
    // place, so that pods' LD_PRELOAD finds one.
    bool empty_volume_stub = true;
    // The reference driver's data directory; empty: there is none.
    std::string reference_data_dir = {};
  };
  // The context is borrowed and must outlive the publisher.
  Publisher(Options options, const VolumeContext& context);

  // Errors: InvalidArgument for a target that is not where kubelet puts
  // volumes (not counted as an attempt); Unavailable for every failure of a
  // valid request: everything was rolled back but the failure record, and
  // kubelet retries. (A final code would make kubelet forget the volume: it
  // would never unpublish it, csi_client isFinalError.)
  absl::StatusOr<PublishResult> Publish(const PublishRequest& request);

 private:
  // How far a publish came that fails: what is to be rolled back.
  enum class Progress { kNothing, kTargetMade, kMountBegun };
  struct Attempt {
    const PublishRequest& request;
    Evidence evidence;                    // before it
    Verdict before;                       // of that
    VolumeRow row;                        // what it wants on record
    const MountTarget* target = nullptr;  // null: it cannot be opened
    Progress progress = Progress::kNothing;
  };

  // The steps (publisher.cc).
  absl::StatusOr<PublishResult> Run(Attempt& attempt);
  absl::Status LeaveOldTarget(Attempt& attempt);
  // Asks again: for the text.
  absl::Status WhyInDoubt(const Attempt& attempt);
  absl::StatusOr<PublishResult> MountAnew(Attempt& attempt);
  PublishResult Adopt(const Attempt& attempt);
  PublishResult StillEmpty(const Attempt& attempt);
  absl::StatusOr<PublishResult> AtForeignMount(Attempt& attempt);
  absl::Status Mount(Attempt& attempt);
  absl::Status TakeLease(Attempt& attempt);
  absl::Status TakeHostLease(Attempt& attempt);
  absl::Status Attach(Attempt& attempt);
  VolumeRow NewRow(const PublishRequest& request, const Verdict& before) const;

  // What follows a failed step (publish_failure.cc).
  absl::StatusOr<PublishResult> Fail(Attempt& attempt,
                                     const absl::Status& cause);
  absl::Status RollBack(Attempt& attempt);
  bool IsTimeToFailOpen(const PublishRequest& request, const VolumeRow& failed);
  absl::StatusOr<PublishResult> PublishEmpty(const Attempt& attempt,
                                             VolumeRow row);

  const Options options_;
  const VolumeContext& context_;
  const ReferenceVolumes reference_;
};

}  // namespace oneagent

#endif  // CSI_PUBLISHER_H_
