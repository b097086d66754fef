// Takes the taint that keeps pods off a new node away once they can be served:
// when the first agent that is needed is cached and the mounter is there.
//
// That the mounter is there is read from the index, the only thing that the two
// processes share: it sets meta.reconciled_boot_id to this boot's id when every
// volume has its row, right before it serves. So it has come up in this boot;
// whether it lives at this moment is kubelet's business, which takes the
// driver's registration away.
//
// Once done it is done: a taint that comes back later was meant for somebody
// else.
#ifndef CACHE_PROVISIONER_STARTUP_TAINT_H_
#define CACHE_PROVISIONER_STARTUP_TAINT_H_

#include <functional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "cache/index/index.h"
#include "cache/provisioner/error_reporter.h"
#include "cache/provisioner/observer.h"

namespace oneagent {

class StartupTaint {
 public:
  static constexpr absl::Duration kShortestPause = absl::Seconds(1);
  static constexpr absl::Duration kLongestPause = absl::Minutes(1);

  struct Parts {  // the references are borrowed
    Index& index;
    CacheObserver& observer;
    std::string boot_id;
    // Takes it away (RemoveTaint); may wait. OK ends it, anything else is
    // tried again after a pause, of one second doubling up to a minute.
    std::function<absl::Status()> remove;
  };
  explicit StartupTaint(Parts parts);
  // Waits for the call that is under way, if any.
  ~StartupTaint();
  StartupTaint(const StartupTaint&) = delete;
  StartupTaint& operator=(const StartupTaint&) = delete;

  // Call it now and then, on one thread; never waits for the network.
  // `agent_is_cached`: there is an agent for a DynaKube that needs one, or no
  // DynaKube needs one.
  void Look(bool agent_is_cached);
  // Waits until it is gone, at most `timeout`; true when it is. For tests.
  bool WaitUntilDone(absl::Duration timeout);

 private:
  void Remove();

  const Parts parts_;
  ErrorReporter errors_;

  Mutex mu_;
  CondVar changed_;
  bool is_done_ ABSL_GUARDED_BY(mu_) = false;
  bool ending_ ABSL_GUARDED_BY(mu_) = false;

  std::thread thread_;  // last: uses all of the above
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_STARTUP_TAINT_H_
