// Until when the call that this thread serves wants its answer. It lies beside
// the thread, as gRPC's own does in other languages, because what has to know
// it (whoever waits for a turn) is far below what knows it, and everything
// between them has no use for it.
//
//   const CallDeadline deadline(absl::Seconds(120));
//   …
//   if (!turn.WaitFor(CallDeadline::Left())) return …;
//
// Of one thread: what the call hands to another thread is not covered.
#ifndef BASE_CALL_DEADLINE_H_
#define BASE_CALL_DEADLINE_H_

#include "absl/time/time.h"
#include "base/deadline.h"

namespace oneagent {

class CallDeadline {
 public:
  // `left` from now, until this is destroyed. One at a time.
  explicit CallDeadline(absl::Duration left) : deadline_(left) {
    current_ = &deadline_;
  }
  ~CallDeadline() { current_ = nullptr; }
  CallDeadline(const CallDeadline&) = delete;
  CallDeadline& operator=(const CallDeadline&) = delete;

  // Infinite where no call is served: housekeeping has time.
  static absl::Duration Left() {
    return current_ == nullptr ? absl::InfiniteDuration() : current_->Left();
  }

 private:
  inline static thread_local const Deadline* current_ = nullptr;

  const Deadline deadline_;
};

}  // namespace oneagent

#endif  // BASE_CALL_DEADLINE_H_
