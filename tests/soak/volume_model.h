// What one volume must be, judged by nothing but its calls, their answers and
// the weather. Each verdict is empty, or says what must not be. Not
// thread-safe: a volume has one actor.
#ifndef TESTS_SOAK_VOLUME_MODEL_H_
#define TESTS_SOAK_VOLUME_MODEL_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tests/soak/plan.h"
#include "tests/soak/target_view.h"
#include "tests/soak/version_book.h"
#include "tests/soak/weather.h"

namespace oneagent {

// A call, and what surrounded it.
struct CallRecord {
  absl::Time begin;
  absl::Time end;
  Weather before;
  Weather after;
  absl::Status status;
  bool is_hasty = false;

  // The client was gone before the answer.
  bool IsCut() const {
    return status.code() == absl::StatusCode::kCancelled ||
           status.code() == absl::StatusCode::kDeadlineExceeded;
  }
};

class VolumeModel {
 public:
  enum class State {
    kAbsent,  // surely not there
    kUnsure,  // a call was broken off, or refused
    kShown,   // published; must stay as it is
  };

  // `versions` is borrowed.
  VolumeModel(const LifePlan& plan, const VersionBook& versions)
      : plan_(plan), versions_(versions) {}

  State state() const { return state_; }
  bool is_agent() const { return shown_.kind == TargetView::Kind::kAgent; }
  const TargetView& shown() const { return shown_; }

  // It was unpublished while something was broken, and the index may not have
  // taken the deletion: the pod may go, but one that came back under the same
  // id would be taken for what it was.
  bool has_stale_books() const { return has_stale_books_; }

  // Before a publish is sent.
  void BeginPublish(const Weather& now, bool is_hasty = false);
  // After it; `view` was taken after the answer and counts if that was OK.
  std::string JudgePublish(const CallRecord& call, const TargetView& view);

  // Before an unpublish is sent: from here on nothing is sure.
  void BeginUnpublish() { state_ = State::kUnsure; }
  std::string JudgeUnpublish(const CallRecord& call, const TargetView& view);

  // At any time while kShown.
  std::string JudgeLook(const TargetView& view) const;

 private:
  std::string JudgeRefusal(const CallRecord& call);
  std::string JudgeFresh(const CallRecord& call, const TargetView& view) const;
  std::string JudgeAgent(const CallRecord& call, const TargetView& view) const;
  std::string JudgeEmpty(const CallRecord& call, const TargetView& view) const;
  bool IsKnown() const { return plan_.dynakube != "nobody"; }

  const LifePlan& plan_;
  const VersionBook& versions_;
  State state_ = State::kAbsent;
  TargetView shown_;  // kShown
  bool has_stale_books_ = false;
  // A call had less time than its work may take: that counts as a failure.
  bool was_hurried_ = false;
  // The first publish since the volume was last surely absent.
  absl::Time first_try_ = absl::InfinitePast();
  Weather at_first_try_;
  // The first one that the mounter refused, for all it can remember.
  absl::Time refused_since_ = absl::InfiniteFuture();
  Weather at_refusal_;
};

}  // namespace oneagent

#endif  // TESTS_SOAK_VOLUME_MODEL_H_
