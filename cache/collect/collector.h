// Carries out the provisioner's collection: plan, remove, empty the trash.
// Thread-safe for one caller at a time.
#ifndef CACHE_COLLECT_COLLECTOR_H_
#define CACHE_COLLECT_COLLECTOR_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "cache/collect/plan.h"
#include "cache/index/index.h"
#include "cache/store/store.h"

namespace oneagent {

struct CollectionResult {
  std::vector<std::string> agents;   // removed
  std::vector<std::string> configs;  // removed
  std::vector<std::string> tenants;  // removed
  int64_t bytes = 0;                 // freed on disk
  // Why nothing was collected, e.g. the mounter has not reconciled this boot;
  // empty when it ran.
  std::string skipped;
};

class Collector {
 public:
  // Store, index and clock are borrowed.
  Collector(Store& store, Index& index, const Clock& clock, std::string boot_id,
            CollectionLimits limits);

  const CollectionLimits& limits() const { return limits_; }

  // What RunOnce would remove now.
  absl::StatusOr<CollectionPlan> Plan();

  // One collection. `tenants_known`: the last listing of DynaKubes succeeded;
  // without it nothing is removed (skipped says so), only trash that is older
  // than trash_age is deleted.
  // What has lain in staging for a day is deleted with the rest. One failing
  // removal does not stop the others; the first error is returned.
  absl::StatusOr<CollectionResult> RunOnce(bool tenants_known);

 private:
  // Why nothing may be collected now; empty: it may.
  absl::StatusOr<std::string> WhyNot(bool tenants_known);
  // Removes what is planned; fills `result`, goes on after an error.
  absl::Status Carry(const CollectionPlan& plan, CollectionResult* result);

  Store& store_;
  Index& index_;
  const Clock& clock_;
  const std::string boot_id_;
  const CollectionLimits limits_;
};

}  // namespace oneagent

#endif  // CACHE_COLLECT_COLLECTOR_H_
