// Follows volumes that wait for an agent, so that the provisioner's log says
// of each that it waits, for which DynaKube, and when that is over. One thread
// at a time.
#ifndef CACHE_PROVISIONER_WAITING_VOLUMES_H_
#define CACHE_PROVISIONER_WAITING_VOLUMES_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cache/index/index.h"
#include "cache/provisioner/observer.h"

namespace oneagent {

class WaitingVolumes {
 public:
  // Both are borrowed and must outlive this.
  WaitingVolumes(Index& index, CacheObserver& observer)
      : index_(index), observer_(observer) {}

  // Tells the observer what is new since the last time. True: there is more to
  // say in a second. (A volume that failed a moment ago may be between two
  // steps of failing open.) Errors: the index's.
  absl::StatusOr<bool> Look(absl::Time now);

 private:
  Index& index_;
  CacheObserver& observer_;
  // By id: volumes that wait; true when their DynaKube's agent is there, which
  // was said.
  std::map<std::string, bool> said_;
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_WAITING_VOLUMES_H_
