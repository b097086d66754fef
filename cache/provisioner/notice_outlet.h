// Where the notices in the index go: into the log alone (NoticeLog), or to the
// API as Events (event_courier.h).
#ifndef CACHE_PROVISIONER_NOTICE_OUTLET_H_
#define CACHE_PROVISIONER_NOTICE_OUTLET_H_

#include "absl/status/status.h"
#include "cache/index/index.h"
#include "cache/provisioner/observer.h"

namespace oneagent {

class NoticeOutlet {
 public:
  virtual ~NoticeOutlet() = default;
  // There may be notices. Does not wait for the network. Errors: those of the
  // index.
  virtual absl::Status Deliver() = 0;
};

// Tells the observer, and that is that: for a provisioner without an API
// server. Used by one thread.
class NoticeLog final : public NoticeOutlet {
 public:
  // Both are borrowed.
  NoticeLog(Index& index, CacheObserver& observer)
      : index_(index), observer_(observer) {}
  absl::Status Deliver() override;

 private:
  Index& index_;
  CacheObserver& observer_;
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_NOTICE_OUTLET_H_
