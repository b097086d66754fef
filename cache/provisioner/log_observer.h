// Writes what the provisioner does into its log, one line each, and how far
// transfers are onto a terminal. Thread-safe. Components: config.h.
#ifndef CACHE_PROVISIONER_LOG_OBSERVER_H_
#define CACHE_PROVISIONER_LOG_OBSERVER_H_

#include <map>
#include <string>

#include "base/log.h"
#include "base/mutex.h"
#include "cache/provisioner/observer.h"
#include "cache/provisioner/progress_bar.h"

namespace oneagent {

class LogObserver final : public CacheObserver {
 public:
  // Both are borrowed and must outlive the observer.
  LogObserver(const Log& log, ProgressBar& bar)
      : source_(log.For("source")),
        reconcile_(log.For("reconcile")),
        download_(log.For("download")),
        volumes_(log.For("volumes")),
        collect_(log.For("collect")),
        index_(log.For("index")),
        bar_(bar) {}

  void OnReconciled(const ReconcileReport& report) override;
  void OnDeleted(absl::string_view dynakube) override;
  void OnProblem(const SourceProblem& problem) override;
  void OnCollected(const CollectionResult& result) override;
  void OnNotice(const NoticeRow& notice) override;
  void OnVolumeWaits(const VolumeRow& volume, const TenantRow* tenant) override;
  void OnVolumeCanGo(const VolumeRow& volume, const TenantRow& tenant) override;
  void OnError(Chore chore, absl::string_view about,
               const absl::Status& status) override;
  void OnIndexRebuilt(absl::string_view set_aside,
                      absl::string_view cause) override;
  void OnProgress(TransferPhase phase, absl::string_view version, int64_t done,
                  int64_t total) override;

 private:
  const Log source_;
  const Log reconcile_;
  const Log download_;
  const Log volumes_;
  const Log collect_;
  const Log index_;
  ProgressBar& bar_;

  Mutex mu_;
  // What each agent version under way was last said to be in.
  std::map<std::string, TransferPhase> transfers_ ABSL_GUARDED_BY(mu_);
  std::string last_skipped_ ABSL_GUARDED_BY(mu_);
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_LOG_OBSERVER_H_
