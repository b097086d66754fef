#include "tests/soak/volume_model.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace oneagent {
namespace {

using Kind = TargetView::Kind;

// What a loaded machine may add to the time that a pod waits.
constexpr absl::Duration kSlack = absl::Seconds(10);
// A client that has all the time it wants gets its answer in this time.
constexpr absl::Duration kLongestAnswer = absl::Seconds(30);
// For so long after a jump two libraries may tell different times: Abseil reads
// the kernel's every two seconds.
constexpr absl::Duration kClocksDiffer = absl::Seconds(5);
// Between the clocks of two processes, and of their reading.
constexpr absl::Duration kClockError = absl::Milliseconds(50);

std::string Took(const CallRecord& call) {
  const absl::Duration took = call.end - call.begin;
  if (call.is_hasty || took < kLongestAnswer) return "";
  return absl::StrCat("a call took ", absl::FormatDuration(took));
}

// Its deadline is too short for a turn, or seems to be past. kubelet, too,
// tries again then.
bool IsLate(const CallRecord& call) {
  return absl::IsResourceExhausted(call.status) &&
         (call.is_hasty ||
          call.end < call.after.last_clock_jump + kClocksDiffer);
}

}  // namespace

void VolumeModel::BeginPublish(const Weather& now, bool is_hasty) {
  if (state_ == State::kAbsent) was_hurried_ = false;
  was_hurried_ = was_hurried_ || is_hasty;
  if (state_ != State::kAbsent) return;
  state_ = State::kUnsure;
  first_try_ = absl::Now();
  at_first_try_ = now;
  refused_since_ = absl::InfiniteFuture();
}

std::string VolumeModel::JudgePublish(const CallRecord& call,
                                      const TargetView& view) {
  if (const std::string slow = Took(call); !slow.empty()) return slow;
  if (!call.status.ok()) return JudgeRefusal(call);
  if (state_ == State::kShown) return JudgeLook(view);
  state_ = State::kShown;
  shown_ = view;
  return JudgeFresh(call, view);
}

std::string VolumeModel::JudgeRefusal(const CallRecord& call) {
  if (call.IsCut()) return "";
  if (IsLate(call)) return "";
  const std::string said(call.status.message());
  const bool is_calm = IsCalm(call.before, call.after);
  if (state_ == State::kShown && is_calm) {
    return absl::StrCat("a duplicate publish was refused: ", said);
  }
  if (!IsUndisturbed(call.before, call.after)) return "";
  if (call.status.code() != absl::StatusCode::kUnavailable) {
    return absl::StrCat("kubelet would give the pod up after: ",
                        call.status.ToString());
  }
  if (is_calm && IsKnown() && first_try_ == call.begin) {
    return absl::StrCat("refused although nothing was wrong: ", said);
  }
  const bool is_forgotten =
      at_refusal_.memory_losses != call.after.memory_losses;
  if (refused_since_ == absl::InfiniteFuture() || is_forgotten) {
    refused_since_ = call.end;
    at_refusal_ = call.after;
  }
  if (call.begin > refused_since_ + plan_.retry_timeout + kSlack) {
    return absl::StrCat("refused ",
                        absl::FormatDuration(call.end - refused_since_),
                        " after the first refusal, past its retryTimeout of ",
                        absl::FormatDuration(plan_.retry_timeout), ": ", said);
  }
  return "";
}

// The first OK: what may have been shown?
std::string VolumeModel::JudgeFresh(const CallRecord& call,
                                    const TargetView& view) const {
  if (view.mounts > 1) return absl::StrCat("stacked mounts: ", Describe(view));
  switch (view.kind) {
    case Kind::kAgent:
      return JudgeAgent(call, view);
    case Kind::kHost:
      if (!plan_.is_host) return "host storage for a pod that wants an agent";
      return view.read_only == plan_.read_only
                 ? ""
                 : absl::StrCat("not as asked for: ", Describe(view));
    case Kind::kEmpty:
      return JudgeEmpty(call, view);
    case Kind::kBare:
      // The mounter died between what it recorded and what it mounted.
      if (at_first_try_.mounter_ends != call.after.mounter_ends) {
        return JudgeEmpty(call, view);
      }
      break;
    case Kind::kNothing:
    case Kind::kStrange:
      break;
  }
  return absl::StrCat("published OK, and there is ", Describe(view), " ",
                      view.line);
}

std::string VolumeModel::JudgeAgent(const CallRecord& call,
                                    const TargetView& view) const {
  if (plan_.is_host || !IsKnown()) {
    return absl::StrCat("an agent for whom there is none: ", Describe(view));
  }
  if (view.read_only != plan_.read_only) {
    return absl::StrCat("not as asked for: ", Describe(view));
  }
  if (versions_.MayHave(plan_.dynakube, view.version, first_try_, call.end)) {
    return "";
  }
  return absl::StrCat("version ", view.version, " of ", plan_.dynakube,
                      " is not the one that a new pod gets:",
                      versions_.Describe(plan_.dynakube));
}

std::string VolumeModel::JudgeEmpty(const CallRecord& call,
                                    const TargetView& view) const {
  const bool needs_dynakube = !plan_.is_host;
  if ((IsKnown() || !needs_dynakube) && !was_hurried_ &&
      at_first_try_.is_calm && at_first_try_ == call.after) {
    return absl::StrCat("empty although nothing was wrong: ", view.marker);
  }
  const absl::Duration waited = call.end - first_try_;
  if (waited + kClockError >= plan_.retry_timeout) return "";
  return absl::StrCat("empty after ", absl::FormatDuration(waited),
                      ", before its retryTimeout of ",
                      absl::FormatDuration(plan_.retry_timeout), ": ",
                      view.marker);
}

std::string VolumeModel::JudgeUnpublish(const CallRecord& call,
                                        const TargetView& view) {
  if (const std::string slow = Took(call); !slow.empty()) return slow;
  if (call.status.ok()) {
    if (view.kind != Kind::kNothing) {
      return absl::StrCat("unpublished OK, and there is ", Describe(view));
    }
    state_ = State::kAbsent;
    has_stale_books_ = has_stale_books_ || !IsCalm(call.before, call.after);
    return "";
  }
  if (call.IsCut() || IsLate(call)) return "";
  if (!IsUndisturbed(call.before, call.after)) return "";
  if (IsCalm(call.before, call.after)) {
    return absl::StrCat("unpublish was refused although nothing was wrong: ",
                        call.status.ToString());
  }
  return "";
}

std::string VolumeModel::JudgeLook(const TargetView& view) const {
  const bool is_same =
      view.kind == shown_.kind && view.mounts == shown_.mounts &&
      view.mount_id == shown_.mount_id && view.version == shown_.version &&
      view.read_only == shown_.read_only;
  if (is_same) return "";
  return absl::StrCat("was ", Describe(shown_), ", is ", Describe(view), " ",
                      view.line);
}

}  // namespace oneagent
