// What the provisioner counts, its table of metrics, and what it shows when it
// is scraped. Thread-safe, but for Pages: those belong to one thread, the
// listener's. An index that is broken or locked holds a scrape up for half a
// second at most.
#ifndef CACHE_PROVISIONER_PROVISIONER_METRICS_H_
#define CACHE_PROVISIONER_PROVISIONER_METRICS_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/http_listener.h"
#include "base/metrics.h"
#include "cache/index/index_reader.h"
#include "cache/index/layout.h"
#include "cache/provisioner/observer.h"

namespace oneagent {

// Every metric of the provisioner.
MetricTable ProvisionerMetricTable();

class ProvisionerMetrics final : public CacheObserver {
 public:
  // Internal when the table is wrong.
  static absl::StatusOr<std::unique_ptr<ProvisionerMetrics>> Create(
      const std::string& data_dir);

  // /metrics.
  HttpPages Pages();

  void OnTurn(const absl::Status& index) override;
  void OnListed(const absl::Status& status) override;
  void OnDownloaded(const DownloadReport& report) override;
  void OnReconciled(const ReconcileReport& report) override;
  void OnProblem(const SourceProblem& problem) override;
  void OnCollected(const CollectionResult& result) override;
  void OnCollectionFailed(const absl::Status& status) override;
  void OnNotice(const NoticeRow& notice) override;
  void OnIndexRebuilt(absl::string_view set_aside,
                      absl::string_view cause) override;

 private:
  ProvisionerMetrics(const std::string& data_dir,
                     std::unique_ptr<Metrics> metrics)
      : layout_(data_dir), metrics_(std::move(metrics)), index_(data_dir) {}

  std::string Render();
  absl::Status RefreshFromIndex();
  void Measure(const std::string& kind, const std::string& directory);
  void SetUsage(const std::string& kind, double bytes, double files);

  const Layout layout_;
  const std::unique_ptr<Metrics> metrics_;
  IndexReader index_;
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_PROVISIONER_METRICS_H_
