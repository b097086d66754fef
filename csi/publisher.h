// Publish and unpublish: the only place (with the reconciler) that knows both
// leases and mounts. The numbered sequences and their crash windows are at the
// top of publisher.cc, publish_failure.cc and unpublisher.cc.
//
// Thread-safe for different volume ids; calls for one volume id must be
// serialised by the caller (WorkQueue does).
#ifndef CSI_PUBLISHER_H_
#define CSI_PUBLISHER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "cache/index/index.h"
#include "cache/index/layout.h"
#include "cache/index/rows.h"
#include "csi/reference_volumes.h"
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
  // What came before kMounted and kEmpty: attempts that failed, and for how
  // long.
  int32_t failures = 0;
  absl::Duration waited = {};
};

struct UnpublishResult {
  absl::Status status;
  // What was on record about the volume, also when it could not be
  // unpublished. For logs and events; none for an unknown volume.
  std::optional<VolumeRow> known;
};

class Publisher {
 public:
  struct Options {
    std::string boot_id;
    int32_t max_mount_attempts = 0;  // 0: no limit
    // New volumes are published empty at once; what is mounted is served and
    // unpublished as ever.
    bool drain = false;
    // The reference driver's data directory; empty: there is none.
    std::string reference_data_dir = {};
    // Called when the index may not know what is mounted: it is to be
    // reconciled once more. May be empty; must not block.
    std::function<void()> request_reconcile = {};
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
  UnpublishResult Unpublish(absl::string_view volume_id,
                            absl::string_view target_path);

  // A valid publish waited so long for its turn, in vain: retryTimeout runs
  // from when it came. Touches memory only; needs no serialisation.
  void NoteWaiting(absl::string_view volume_id, absl::Duration waited);

  // What the index would not take: the volumes, and what there is to know of
  // one. Need no serialisation.
  std::vector<std::string> ListUnrecorded();
  std::optional<VolumeRow> FindUnrecorded(absl::string_view volume_id);
  // Has the index take it (row, notice); OK when there is nothing. Unavailable:
  // not yet.
  absl::Status FlushUnrecorded(absl::string_view volume_id);

 private:
  // One publish in progress.
  struct Attempt {
    const PublishRequest& request;
    VolumeRow row;                        // what this call wants on record
    std::optional<VolumeRow> known;       // what was on record before it
    const MountTarget* target = nullptr;  // null: it cannot be opened
    // What is on record may be mounted: a failure must leave the record (and
    // so the lease) as it is.
    bool record_in_use = false;
    // Nothing is mounted on the target: only then the layers may go to trash.
    bool target_free = false;
    bool target_made = false;     // end of step 5: a directory may be there
    bool may_be_mounted = false;  // step 6 was begun
    // Published empty in an earlier boot: what its pod wrote into a bare
    // directory may still be there.
    bool was_empty = false;
    // When the first call came that found no turn, if one did.
    std::optional<absl::Time> waiting_since = {};
    // The index would not take the failure: nor will it take what follows.
    bool index_unusable = false;
  };

  // Memory, else the index, else volume.json. None for an id that is no
  // directory's name: it was never published; none too when the record is
  // damaged. An error: there is a record that cannot be read now.
  absl::StatusOr<std::optional<VolumeRow>> Recall(absl::string_view volume_id);
  void Remember(const VolumeRow& row);
  void Forget(absl::string_view volume_id);

  // The steps (publisher.cc).
  absl::StatusOr<std::optional<PublishResult>> FindPublished(Attempt& attempt);
  absl::StatusOr<std::optional<PublishResult>> JudgeMounted(Attempt& attempt);
  PublishResult AdoptEmpty(Attempt& attempt, const VolumeRow& record);
  PublishResult AdoptMounted(Attempt& attempt);
  PublishResult StillEmpty(const Attempt& attempt);
  absl::Status LeaveOldTarget(Attempt& attempt);
  absl::Status Mount(Attempt& attempt);
  absl::Status TakeLease(Attempt& attempt);
  absl::Status TakeHostLease(Attempt& attempt);
  absl::Status Attach(Attempt& attempt);

  // What follows a failed step (publish_failure.cc).
  absl::StatusOr<PublishResult> Fail(Attempt& attempt,
                                     const absl::Status& cause);
  absl::Status Detach(Attempt& attempt);
  VolumeRow CountFailure(Attempt& attempt, const std::string& reason);
  bool IsTimeToFailOpen(const Attempt& attempt, const VolumeRow& failed);
  absl::Status PublishEmpty(const Attempt& attempt, VolumeRow row);

  // unrecorded.cc
  std::optional<absl::Time> TakeWaiting(absl::string_view volume_id);

  // unpublisher.cc
  absl::Status TakeDown(absl::string_view volume_id,
                        absl::string_view requested,
                        const std::optional<VolumeRow>& known);
  absl::Status Remove(absl::string_view volume_id, const MountTarget& target,
                      const std::optional<VolumeRow>& known);
  bool WasPublishedEmpty(absl::string_view volume_id, const std::string& path,
                         const std::optional<VolumeRow>& known);
  void Strike(absl::string_view volume_id);

  const Options options_;
  const Layout layout_;
  Index& index_;
  Mounter& mounter_;
  const TargetResolver& targets_;
  const Clock& clock_;
  const ReferenceVolumes reference_;

  Mutex mu_;
  // What the index would not take, by volume id: failures that are counted,
  // and volumes published empty. Bounded.
  std::map<std::string, VolumeRow> unrecorded_ ABSL_GUARDED_BY(mu_);
  // Since when calls for a volume have found no turn. Bounded.
  std::map<std::string, absl::Time> waiting_since_ ABSL_GUARDED_BY(mu_);
};

}  // namespace oneagent

#endif  // CSI_PUBLISHER_H_
