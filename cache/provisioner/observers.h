// Several observers as one: each is told what happens, in order.
#ifndef CACHE_PROVISIONER_OBSERVERS_H_
#define CACHE_PROVISIONER_OBSERVERS_H_

#include <utility>
#include <vector>

#include "cache/provisioner/observer.h"

namespace oneagent {

class Observers final : public CacheObserver {
 public:
  // Borrowed; must outlive this.
  explicit Observers(std::vector<CacheObserver*> observers)
      : observers_(std::move(observers)) {}

  void OnTurn(const absl::Status& index) override {
    for (CacheObserver* const each : observers_) each->OnTurn(index);
  }
  void OnListed(const absl::Status& status) override {
    for (CacheObserver* const each : observers_) each->OnListed(status);
  }
  void OnDownloaded(const DownloadReport& report) override {
    for (CacheObserver* const each : observers_) each->OnDownloaded(report);
  }
  void OnReconciled(const ReconcileReport& report) override {
    for (CacheObserver* const each : observers_) each->OnReconciled(report);
  }
  void OnDeleted(absl::string_view dynakube) override {
    for (CacheObserver* const each : observers_) each->OnDeleted(dynakube);
  }
  void OnProblem(const SourceProblem& problem) override {
    for (CacheObserver* const each : observers_) each->OnProblem(problem);
  }
  void OnCollected(const CollectionResult& result) override {
    for (CacheObserver* const each : observers_) each->OnCollected(result);
  }
  void OnCollectionFailed(const absl::Status& status) override {
    for (CacheObserver* const each : observers_) {
      each->OnCollectionFailed(status);
    }
  }
  void OnNotice(const NoticeRow& notice) override {
    for (CacheObserver* const each : observers_) each->OnNotice(notice);
  }
  void OnVolumeWaits(const VolumeRow& volume,
                     const TenantRow* tenant) override {
    for (CacheObserver* const each : observers_) {
      each->OnVolumeWaits(volume, tenant);
    }
  }
  void OnVolumeCanGo(const VolumeRow& volume,
                     const TenantRow& tenant) override {
    for (CacheObserver* const each : observers_) {
      each->OnVolumeCanGo(volume, tenant);
    }
  }
  void OnError(Chore chore, absl::string_view about,
               const absl::Status& status) override {
    for (CacheObserver* const each : observers_) {
      each->OnError(chore, about, status);
    }
  }
  void OnIndexRebuilt(absl::string_view set_aside,
                      absl::string_view cause) override {
    for (CacheObserver* const each : observers_) {
      each->OnIndexRebuilt(set_aside, cause);
    }
  }
  void OnProgress(TransferPhase phase, absl::string_view version, int64_t done,
                  int64_t total) override {
    for (CacheObserver* const each : observers_) {
      each->OnProgress(phase, version, done, total);
    }
  }

 private:
  const std::vector<CacheObserver*> observers_;
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_OBSERVERS_H_
