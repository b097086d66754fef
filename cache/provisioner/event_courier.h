// Brings Events to the API server, on a thread of its own: those of pods from
// the notices in the index, those of DynaKubes as they are posted.
//
//   EventCourier courier({.index = …, .sink = …, …});
//   courier.Start();
//   courier.Deliver();       // the index may have notices
//   courier.Post(event);
//
// A notice is deleted when the API has taken its Event, or will never take it
// (its namespace is gone), or when it is an hour old: said by the observer in
// the two latter cases. So an Event is written at least once, whenever the
// provisioner or the API comes back within that hour, whatever became of the
// pod. It is written at most once but for a crash between the two, and then
// under the same name: the API has it already. What is posted is kept in
// memory, 100 at most, for an hour.
//
// Sequence "notice" (dying after a step leaves):
//  1 the API has taken the Event: the notice is there still, and is taken for
//    delivered when the API says that the Event exists
//  2 the notice is deleted: nothing to do
//
// At most 25 requests at once, then one a second. After a failure a pause, of
// one second doubling up to five minutes. Thread-safe but for RunOnce, which
// is for tests and --once.
#ifndef CACHE_PROVISIONER_EVENT_COURIER_H_
#define CACHE_PROVISIONER_EVENT_COURIER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "cache/index/index.h"
#include "cache/kube/event.h"
#include "cache/kube/event_series.h"
#include "cache/kube/event_sink.h"
#include "cache/provisioner/error_reporter.h"
#include "cache/provisioner/notice_outlet.h"
#include "cache/provisioner/observer.h"

namespace oneagent {

// The Event of a volume that was published empty.
KubeEvent EventOf(const NoticeRow& notice);

class EventCourier final : public NoticeOutlet {
 public:
  static constexpr size_t kMostPosted = 100;
  static constexpr int kBurst = 25;
  static constexpr absl::Duration kShortestPause = absl::Seconds(1);
  static constexpr absl::Duration kLongestPause = absl::Minutes(5);

  struct Parts {  // all borrowed
    Index& index;
    EventSink& sink;
    CacheObserver& observer;
    const Clock& clock;
  };
  explicit EventCourier(const Parts& parts)
      : parts_(parts), errors_(parts.observer) {}
  // Waits for the request that is under way, if any.
  ~EventCourier() override;

  void Start();
  absl::Status Deliver() override;
  void Post(KubeEvent event);

  // Sends what can be sent; how long until there may be more to do by itself.
  absl::Duration RunOnce(absl::Time now);

 private:
  enum class Fate { kDone, kKept, kStop };

  void Loop();
  void SendNotices(absl::Time now);
  void SendPosted(absl::Time now);
  void SendCounts(absl::Time now);
  Fate Send(const KubeEvent& event, absl::Time now);
  Fate Conclude(const EventAnswer& answer, const std::string& namespace_name);
  EventAnswer Take(const KubeEvent& event, EventSeries::Step& step);
  // True while a request may be made now.
  bool TakeTurn(absl::Time now);

  const Parts parts_;
  ErrorReporter errors_;

  // Only the running thread's.
  EventSeries series_;
  int64_t told_ = 0;  // the last notice that the observer knows
  double turns_ = kBurst;
  absl::Time turns_at_ = absl::InfinitePast();
  absl::Duration pause_ = absl::ZeroDuration();
  absl::Time next_ = absl::InfinitePast();  // after a failure
  bool stopped_ = false;                    // this round is over
  std::set<std::string> closed_;  // namespaces that refused in this round

  Mutex mu_;
  CondVar woken_;
  bool may_have_work_ ABSL_GUARDED_BY(mu_) = true;
  bool ending_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<KubeEvent> posted_ ABSL_GUARDED_BY(mu_);

  std::thread thread_;  // last: uses all of the above
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_EVENT_COURIER_H_
