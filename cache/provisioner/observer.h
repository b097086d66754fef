// What the provisioner has to tell: its only way to the outside, since
// libraries do not log. Called on several threads, by one at a time for each
// DynaKube. An observer overrides what it wants to know.
#ifndef CACHE_PROVISIONER_OBSERVER_H_
#define CACHE_PROVISIONER_OBSERVER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cache/collect/collector.h"
#include "cache/index/rows.h"
#include "cache/kube/dynakube_source.h"

namespace oneagent {

// Which object a DynaKube is, beside its name: for Events on it.
struct DynaKubeIdentity {
  std::string uid;
  std::string api_version;

  // Served in another version it is the same object.
  bool operator==(const DynaKubeIdentity& other) const {
    return uid == other.uid;
  }
};

// How one reconcile of one DynaKube ended.
struct ReconcileReport {
  TenantRow row;  // as it stands now; never holds a secret
  DynaKubeIdentity dynakube;
  absl::StatusCode code = absl::StatusCode::kOk;  // kOk: ready
  bool installed = false;  // this reconcile brought the agent to the node
  bool switched = false;   // with it, new pods began to get another agent
  // Another thread is at it; nothing failed, and the row is as it was.
  bool pending = false;
  bool cancelled = false;  // by shutdown
  // What it asks for changed while it was at work: it begins anew.
  bool outdated = false;
  // How long the tenant wants to be left alone; zero: it did not say.
  absl::Duration pause;
  absl::Duration duration;
};

// One download of an agent, with its attempts and their waits.
struct DownloadReport {
  absl::Status status;
  int64_t bytes = 0;  // of the whole archive; 0 when it failed
  absl::Duration duration;
};

enum class TransferPhase { kDownload, kUnpack };

// What is done beside the reconciles, and again when it fails.
enum class Chore {
  kListDynaKubes,
  kWatchDynaKubes,  // DynaKubeSource::WatchHealth
  kForgetDynaKube,
  kLookAtIndex,   // has another process written to it
  kFindLostRows,  // does it have what the disk has
  kRecover,
  kDeliverNotices,
  kFollowVolumes,
  kCollect,
  kSendEvents,
  kRemoveTaint,
};

class CacheObserver {
 public:
  virtual ~CacheObserver() = default;

  // The scheduler's loop has turned; OK if the index could be used.
  virtual void OnTurn(const absl::Status& /*index*/) {}
  // The DynaKubes were listed, or why not.
  virtual void OnListed(const absl::Status& /*status*/) {}
  virtual void OnDownloaded(const DownloadReport& /*report*/) {}
  virtual void OnReconciled(const ReconcileReport& /*report*/) {}
  // A DynaKube that a complete list no longer has.
  virtual void OnDeleted(absl::string_view /*dynakube*/) {}
  // A problem that the last list did not have.
  virtual void OnProblem(const SourceProblem& /*problem*/) {}
  virtual void OnCollected(const CollectionResult& /*result*/) {}
  virtual void OnCollectionFailed(const absl::Status& /*status*/) {}
  // A volume was published empty.
  virtual void OnNotice(const NoticeRow& /*notice*/) {}
  // A volume's publish failed, and kubelet tries again. `tenant`: as its
  // DynaKube stands; null when there is none.
  virtual void OnVolumeWaits(const VolumeRow& /*volume*/,
                             const TenantRow* /*tenant*/) {}
  // What that volume waited for is on the node.
  virtual void OnVolumeCanGo(const VolumeRow& /*volume*/,
                             const TenantRow& /*tenant*/) {}
  // Said when it is new. `about`: the name of a DynaKube, of a namespace
  // (kSendEvents), or empty.
  virtual void OnError(Chore /*chore*/, absl::string_view /*about*/,
                       const absl::Status& /*status*/) {}
  // `set_aside`: where the file that could not be used is now; may be empty.
  virtual void OnIndexRebuilt(absl::string_view /*set_aside*/,
                              absl::string_view /*cause*/) {}
  // total is 0 while it is not known.
  virtual void OnProgress(TransferPhase /*phase*/,
                          absl::string_view /*version*/, int64_t /*done*/,
                          int64_t /*total*/) {}
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_OBSERVER_H_
