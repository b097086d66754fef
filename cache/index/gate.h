// Who may use the index's connection: one caller at a time, and nobody for a
// while after somebody waited for the file in vain. So a lock that another
// process keeps costs the callers one timeout together, not one each in turn.
// A queue of our own callers, however long, says nothing against the file: on a
// node that is short of CPU each of them waits while its own time lasts.
//
// Thread-safe.
#ifndef CACHE_INDEX_GATE_H_
#define CACHE_INDEX_GATE_H_

#include <chrono>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace oneagent {

class ABSL_LOCKABLE Gate {
 public:
  // `pause`: how long the gate stays shut; zero: it is never shut.
  explicit Gate(absl::Duration pause);

  // True: the turn is the caller's until Leave. False: the gate is shut, was
  // shut while the caller waited, or `patience` is over.
  bool Enter(absl::Duration patience) ABSL_EXCLUSIVE_TRYLOCK_FUNCTION(true);
  // However long it takes, shut or not.
  void EnterUnchecked() ABSL_EXCLUSIVE_LOCK_FUNCTION();
  void Leave() ABSL_UNLOCK_FUNCTION();

  // Sends away who waits and who comes within the pause. After it callers are
  // let in again, one at a time, so the first one finds out for the others.
  void Shut(const absl::Status& why);
  // What was shut for is over.
  void Open();

  // Unavailable, for whom Enter refused just now: why.
  absl::Status Refusal();

 private:
  using SteadyClock = std::chrono::steady_clock;

  bool IsShut() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return SteadyClock::now() < shut_until_;
  }

  // Constant after construction.
  const SteadyClock::duration pause_;

  Mutex mu_;
  CondVar changed_;
  bool is_taken_ ABSL_GUARDED_BY(mu_) = false;
  SteadyClock::time_point shut_until_ ABSL_GUARDED_BY(mu_);  // at first: past
  std::string why_ ABSL_GUARDED_BY(mu_);  // of the last Shut; none since Open
};

}  // namespace oneagent

#endif  // CACHE_INDEX_GATE_H_
