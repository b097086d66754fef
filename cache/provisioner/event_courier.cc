#include "cache/provisioner/event_courier.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/failpoint.h"

namespace oneagent {
KubeEvent EventOf(const NoticeRow& notice) {
  return {.occurrence = absl::StrCat("notice ", notice.volume_id, " ",
                                     absl::ToUnixMillis(notice.at)),
          .regarding = {.api_version = "v1",
                        .kind = "Pod",
                        .namespace_name = notice.namespace_name,
                        .name = notice.pod,
                        .uid = notice.pod_uid},
          .type = EventType::kWarning,
          .reason = "AgentNotInjected",
          .action = "Publish",
          .note = absl::StrCat("volume ", notice.volume_id,
                               " was published empty: ", notice.reason),
          .at = notice.at};
}

EventCourier::~EventCourier() {
  {
    MutexLock lock(mu_);
    ending_ = true;
    woken_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void EventCourier::Start() {
  thread_ = std::thread([this] { Loop(); });
}

absl::Status EventCourier::Deliver() {
  MutexLock lock(mu_);
  may_have_work_ = true;
  woken_.NotifyAll();
  return absl::OkStatus();
}

void EventCourier::Post(KubeEvent event) {
  MutexLock lock(mu_);
  posted_.push_back(std::move(event));
  if (posted_.size() > kMostPosted) posted_.pop_front();
  may_have_work_ = true;
  woken_.NotifyAll();
}

void EventCourier::Loop() {
  while (true) {
    {
      MutexLock lock(mu_);
      if (ending_) return;
      may_have_work_ = false;
    }
    const absl::Duration wait = RunOnce(parts_.clock.Now());
    MutexLock lock(mu_);
    if (!ending_ && !may_have_work_) woken_.WaitFor(mu_, wait);
  }
}

absl::Duration EventCourier::RunOnce(absl::Time now) {
  // A clock that was set back must not put anything off.
  if (next_ > now + kLongestPause) next_ = absl::InfinitePast();
  if (now < next_) return next_ - now;
  stopped_ = false;
  closed_.clear();
  SendNotices(now);
  SendPosted(now);
  SendCounts(now);
  if (stopped_ || !closed_.empty()) {
    pause_ = std::clamp(pause_ * 2, kShortestPause, kLongestPause);
    next_ = now + pause_;
    return pause_;
  }
  pause_ = absl::ZeroDuration();
  // Turns come by the second; counts are shown within a minute of their time.
  return turns_ < 1 ? absl::Seconds(1) : absl::Minutes(1);
}

void EventCourier::SendNotices(absl::Time now) {
  const absl::StatusOr<std::vector<NoticeRow>> notices =
      parts_.index.ListNotices();
  errors_.Report(Chore::kDeliverNotices, notices.status());
  if (!notices.ok()) return;
  for (const NoticeRow& notice : *notices) {
    if (notice.seq > told_) parts_.observer.OnNotice(notice);
    told_ = std::max(told_, notice.seq);
  }
  for (const NoticeRow& notice : *notices) {
    if (now - notice.at > kOldestNotice) {
      parts_.observer.OnError(
          Chore::kSendEvents, notice.namespace_name,
          absl::DeadlineExceededError(
              absl::StrCat("pod ", notice.pod,
                           ": its Event could not be written for an hour")));
    } else {
      const Fate fate = Send(EventOf(notice), now);
      if (fate == Fate::kStop) return;
      if (fate == Fate::kKept) continue;
      Failpoint("notice:1");
    }
    errors_.Report(Chore::kDeliverNotices,
                   parts_.index.DeleteNotice(notice.seq));
    Failpoint("notice:2");
  }
}

void EventCourier::SendPosted(absl::Time now) {
  std::deque<KubeEvent> events;
  {
    MutexLock lock(mu_);
    events.swap(posted_);
  }
  std::deque<KubeEvent> kept;
  while (!events.empty()) {
    if (now - events.front().at <= kOldestNotice &&
        Send(events.front(), now) != Fate::kDone) {
      kept.push_back(std::move(events.front()));
    }
    events.pop_front();
  }
  MutexLock lock(mu_);
  posted_.insert(posted_.begin(), kept.begin(), kept.end());
  while (posted_.size() > kMostPosted) posted_.pop_front();
}

void EventCourier::SendCounts(absl::Time now) {
  for (const EventSeries::Step& step : series_.Overdue(now)) {
    if (stopped_ || closed_.contains(step.namespace_name)) continue;
    if (!TakeTurn(now)) return;
    const EventAnswer answer = parts_.sink.PatchSeries(
        step.namespace_name, step.name, step.count, step.last);
    if (answer.kind == EventAnswer::Kind::kNoSuchEvent) {
      // The API keeps Events for an hour.
      series_.Forget(step);
      continue;
    }
    if (Conclude(answer, step.namespace_name) == Fate::kDone) {
      series_.Shown(step, now);
    }
  }
}

EventCourier::Fate EventCourier::Send(const KubeEvent& event, absl::Time now) {
  const std::string& namespace_name = event.regarding.namespace_name;
  if (stopped_) return Fate::kStop;
  if (closed_.contains(namespace_name)) return Fate::kKept;
  EventSeries::Step step = series_.Plan(event, now);
  switch (step.move) {
    case EventSeries::Move::kCount:
      series_.Done(event, step, now);
      return Fate::kDone;
    case EventSeries::Move::kDrop:
      return Fate::kDone;
    case EventSeries::Move::kCreate:
    case EventSeries::Move::kPatch:
      break;
  }
  if (!TakeTurn(now)) return Fate::kStop;
  const EventAnswer answer = Take(event, step);
  const Fate fate = Conclude(answer, namespace_name);
  if (answer.kind == EventAnswer::Kind::kTaken) series_.Done(event, step, now);
  return fate;
}

EventAnswer EventCourier::Take(const KubeEvent& event,
                               EventSeries::Step& step) {
  if (step.move == EventSeries::Move::kPatch) {
    EventAnswer answer = parts_.sink.PatchSeries(step.namespace_name, step.name,
                                                 step.count, step.last);
    if (answer.kind != EventAnswer::Kind::kNoSuchEvent) return answer;
    step.move = EventSeries::Move::kCreate;
    step.name = EventName(event);
  }
  return parts_.sink.Create(event, step.count, step.last);
}

EventCourier::Fate EventCourier::Conclude(const EventAnswer& answer,
                                          const std::string& namespace_name) {
  if (answer.kind != EventAnswer::Kind::kNoAnswer) {
    errors_.Report(Chore::kSendEvents, absl::OkStatus());
  }
  switch (answer.kind) {
    case EventAnswer::Kind::kTaken:
      errors_.Report(Chore::kSendEvents, absl::OkStatus(), namespace_name);
      return Fate::kDone;
    case EventAnswer::Kind::kNoSuchEvent:
    case EventAnswer::Kind::kNever:
      parts_.observer.OnError(Chore::kSendEvents, namespace_name,
                              answer.status);
      return Fate::kDone;
    case EventAnswer::Kind::kNotNow:
      errors_.Report(Chore::kSendEvents, answer.status, namespace_name);
      closed_.insert(namespace_name);
      return Fate::kKept;
    case EventAnswer::Kind::kNoAnswer:
      errors_.Report(Chore::kSendEvents, answer.status);
      stopped_ = true;
      return Fate::kStop;
  }
  return Fate::kStop;
}

bool EventCourier::TakeTurn(absl::Time now) {
  // A clock that was set back gives none.
  const absl::Duration passed = std::max(now - turns_at_, absl::ZeroDuration());
  turns_ = std::min<double>(
      kBurst,
      turns_ + absl::ToDoubleSeconds(std::min(passed, absl::Seconds(kBurst))));
  turns_at_ = now;
  if (turns_ < 1) return false;
  turns_ -= 1;
  return true;
}

}  // namespace oneagent
