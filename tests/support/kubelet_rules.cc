#include "tests/support/kubelet_rules.h"

#include <algorithm>

namespace oneagent {
namespace {

constexpr absl::Duration kFirstWait = absl::Milliseconds(500);
constexpr absl::Duration kLongestWait = absl::Seconds(122);

}  // namespace

CallVerdict JudgePublish(const absl::Status& answer) {
  if (answer.ok()) return CallVerdict::kDone;
  for (const absl::StatusCode uncertain :
       {absl::StatusCode::kCancelled, absl::StatusCode::kDeadlineExceeded,
        absl::StatusCode::kUnavailable, absl::StatusCode::kResourceExhausted,
        absl::StatusCode::kAborted}) {
    if (answer.code() == uncertain) return CallVerdict::kUncertain;
  }
  return CallVerdict::kFinal;
}

void KubeletBackoff::Fail(absl::Time now) {
  wait_ = wait_ == absl::ZeroDuration() ? kFirstWait
                                        : std::min(2 * wait_, kLongestWait);
  next_try_ = now + wait_;
}

}  // namespace oneagent
