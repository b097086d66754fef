// Writes what the provisioner does into its log, one line each, and how far
// transfers are onto a terminal. Thread-safe.
#ifndef CACHE_PROVISIONER_LOG_OBSERVER_H_
#define CACHE_PROVISIONER_LOG_OBSERVER_H_

#include <string>

#include "base/log.h"
#include "base/mutex.h"
#include "cache/provisioner/observer.h"
#include "cache/provisioner/progress_bar.h"

namespace oneagent {

class LogObserver final : public CacheObserver {
 public:
  // Both are borrowed and must outlive the observer.
  LogObserver(const Log& log, ProgressBar& bar) : log_(log), bar_(bar) {}

  void OnReconciled(const ReconcileReport& report) override;
  void OnDeleted(absl::string_view dynakube) override;
  void OnProblem(const SourceProblem& problem) override;
  void OnCollected(const CollectionResult& result) override;
  void OnNotice(const NoticeRow& notice) override;
  void OnError(absl::string_view what, const absl::Status& status) override;
  void OnProgress(TransferPhase phase, absl::string_view version, int64_t done,
                  int64_t total) override;

 private:
  const Log& log_;
  ProgressBar& bar_;

  Mutex mu_;
  std::string last_skipped_ ABSL_GUARDED_BY(mu_);
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_LOG_OBSERVER_H_
