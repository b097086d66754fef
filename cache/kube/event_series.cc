#include "cache/kube/event_series.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace oneagent {
namespace {

// No part of an object holds a zero byte.
std::string ObjectKey(const KubeEvent& event) {
  const EventSubject& about = event.regarding;
  return absl::StrJoin(
      {about.namespace_name, about.kind, about.name, about.uid, event.reason},
      std::string(1, '\0'));
}

std::string SeriesKey(const KubeEvent& event) {
  return absl::StrCat(ObjectKey(event), std::string(1, '\0'), event.note);
}

}  // namespace

EventSeries::Step EventSeries::Plan(const KubeEvent& event,
                                    absl::Time now) const {
  Step step = {.move = Move::kCreate,
               .name = EventName(event),
               .namespace_name = event.regarding.namespace_name,
               .count = 1,
               .last = event.at,
               .key = SeriesKey(event)};
  const auto found = series_.find(step.key);
  if (found != series_.end() && now - found->second.last < kEndsAfter) {
    const Series& series = found->second;
    step.name = series.name;
    step.count = series.count + 1;
    const bool is_second = series.shown == 1;
    const bool is_due = now - series.last_shown >= kShownEvery;
    step.move = is_second || is_due ? Move::kPatch : Move::kCount;
    return step;
  }
  if (BudgetOf(event, now).left < 1) step.move = Move::kDrop;
  return step;
}

void EventSeries::Done(const KubeEvent& event, const Step& step,
                       absl::Time now) {
  switch (step.move) {
    case Move::kDrop:
      return;
    case Move::kCreate: {
      Budget budget = BudgetOf(event, now);
      budget.left -= 1;
      budgets_[ObjectKey(event)] = budget;
      break;
    }
    case Move::kPatch:
    case Move::kCount:
      break;
  }
  Series& series = series_[step.key];
  series.name = step.name;
  series.namespace_name = step.namespace_name;
  series.count = step.count;
  series.last = now;
  if (step.move != Move::kCount) {
    series.shown = step.count;
    series.last_shown = now;
  }
  Trim(now);
}

std::vector<EventSeries::Step> EventSeries::Overdue(absl::Time now) const {
  std::vector<Step> steps;
  for (const auto& [key, series] : series_) {
    if (series.count == series.shown) continue;
    if (now - series.last_shown < kShownEvery) continue;
    steps.push_back({.move = Move::kPatch,
                     .name = series.name,
                     .namespace_name = series.namespace_name,
                     .count = series.count,
                     .last = series.last,
                     .key = key});
  }
  return steps;
}

void EventSeries::Shown(const Step& step, absl::Time now) {
  const auto found = series_.find(step.key);
  if (found == series_.end()) return;
  found->second.shown = step.count;
  found->second.last_shown = now;
}

EventSeries::Budget EventSeries::BudgetOf(const KubeEvent& event,
                                          absl::Time now) const {
  const auto found = budgets_.find(ObjectKey(event));
  if (found == budgets_.end()) return {.left = kBurst, .at = now};
  // A clock that was set back refills nothing.
  const absl::Duration passed =
      std::max(now - found->second.at, absl::ZeroDuration());
  return {.left = std::min<double>(
              kBurst, found->second.left + absl::FDivDuration(passed, kRefill)),
          .at = now};
}

// What is over first, then what was said longest ago.
void EventSeries::Trim(absl::Time now) {
  if (series_.size() > kMost) {
    std::erase_if(series_, [now](const auto& each) {
      return now - each.second.last >= kEndsAfter;
    });
  }
  if (series_.size() > kMost) {
    series_.erase(std::min_element(series_.begin(), series_.end(),
                                   [](const auto& a, const auto& b) {
                                     return a.second.last < b.second.last;
                                   }));
  }
  if (budgets_.size() > kMost) {
    std::erase_if(budgets_, [now](const auto& each) {
      return now - each.second.at >= kBurst * kRefill;
    });
  }
  if (budgets_.size() > kMost) budgets_.erase(budgets_.begin());
}

}  // namespace oneagent
