// What is said again and again is one Event with a count, and what is said too
// often is not said at all. Decides it; sends nothing. Pure but for what it
// remembers, which is bounded; used by one thread at a time.
//
// - The same about the same object (subject, reason, note) within half an hour
//   is a series: the second occurrence shows at once, later ones are counted
//   and shown every ten minutes.
// - New Events on one object with one reason: ten at once, then one every six
//   minutes (with causes that differ each time nothing would be a series).
#ifndef CACHE_KUBE_EVENT_SERIES_H_
#define CACHE_KUBE_EVENT_SERIES_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cache/kube/event.h"

namespace oneagent {

class EventSeries {
 public:
  static constexpr absl::Duration kEndsAfter = absl::Minutes(30);
  static constexpr absl::Duration kShownEvery = absl::Minutes(10);
  static constexpr int kBurst = 10;
  static constexpr absl::Duration kRefill = absl::Minutes(6);
  static constexpr size_t kMost = 2000;  // series that are remembered

  enum class Move {
    kCreate,  // POST
    kPatch,   // the series of an Event that is there
    kCount,   // nothing now
    kDrop,    // nothing at all
  };
  struct Step {
    Move move = Move::kDrop;
    std::string name = {};  // of the Event that is created or patched
    std::string namespace_name = {};
    int32_t count = 1;
    absl::Time last = absl::InfinitePast();  // occurrence

    // Which series.
    std::string key = {};
  };

  // What follows from `event`, which happened by `now`. Changes nothing.
  Step Plan(const KubeEvent& event, absl::Time now) const;
  // The step has been taken.
  void Done(const KubeEvent& event, const Step& step, absl::Time now);
  // The Event of this series is gone.
  void Forget(const Step& step) { series_.erase(step.key); }

  // Counts that are to be shown now: kPatch each. Then Shown.
  std::vector<Step> Overdue(absl::Time now) const;
  void Shown(const Step& step, absl::Time now);

 private:
  struct Series {
    std::string name;
    std::string namespace_name;
    int32_t count = 0;
    int32_t shown = 0;
    absl::Time last;        // occurrence
    absl::Time last_shown;  // to the API
  };
  struct Budget {
    double left = kBurst;
    absl::Time at;
  };

  Budget BudgetOf(const KubeEvent& event, absl::Time now) const;
  void Trim(absl::Time now);

  std::map<std::string, Series> series_;
  std::map<std::string, Budget> budgets_;
};

}  // namespace oneagent

#endif  // CACHE_KUBE_EVENT_SERIES_H_
