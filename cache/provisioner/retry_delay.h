// How long a DynaKube is left alone after a reconcile. Pure.
#ifndef CACHE_PROVISIONER_RETRY_DELAY_H_
#define CACHE_PROVISIONER_RETRY_DELAY_H_

#include "absl/random/random.h"
#include "absl/time/time.h"
#include "cache/provisioner/observer.h"
#include "cache/provisioner/tenant_task.h"

namespace oneagent {

// True for what failed at the network alone: another attempt may cure it with
// nothing changed.
bool MayPass(const ReconcileReport& report);

// True for what counts as a failure in a row.
bool IsFailure(const ReconcileReport& report);

// `failures` in a row, this one included. A tenant that throttles is never
// asked before its pause is over, and a pause of nothing still leaves the
// delay.
absl::Duration DelayAfter(const ReconcileReport& report, const TenantTask& task,
                          int failures, absl::BitGen& random);

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_RETRY_DELAY_H_
