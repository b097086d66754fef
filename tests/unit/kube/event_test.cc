// What an Event looks like, when it is one of a series, what an answer means.
#include "cache/kube/event.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cache/kube/event_series.h"
#include "cache/kube/event_sink.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/event.pb.h"
#include "proto/json.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using Move = EventSeries::Move;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const absl::Time kNow = absl::FromUnixSeconds(1795341600);

KubeEvent PodEvent(const std::string& occurrence = "once",
                   const std::string& note = "no agent") {
  return {.occurrence = occurrence,
          .regarding = {.api_version = "v1",
                        .kind = "Pod",
                        .namespace_name = "shop",
                        .name = "cart-1",
                        .uid = "uid-1"},
          .type = EventType::kWarning,
          .reason = "AgentNotInjected",
          .action = "Publish",
          .note = note,
          .at = kNow};
}

v1::Event Read(const std::string& json) {
  v1::Event event;
  EXPECT_OK(ParseJson(json, &event));
  return event;
}

TEST(EventTest, LiesInTheObjectsNamespaceAndCarriesItsUid) {
  const v1::Event event = Read(EventBody(PodEvent(), "node-1", 1, kNow));
  EXPECT_EQ(event.api_version(), "events.k8s.io/v1");
  EXPECT_EQ(event.kind(), "Event");
  EXPECT_EQ(event.metadata().namespace_(), "shop");
  EXPECT_EQ(event.metadata().name(), EventName(PodEvent()));
  EXPECT_EQ(event.regarding().api_version(), "v1");
  EXPECT_EQ(event.regarding().kind(), "Pod");
  EXPECT_EQ(event.regarding().namespace_(), "shop");
  EXPECT_EQ(event.regarding().name(), "cart-1");
  EXPECT_EQ(event.regarding().uid(), "uid-1");
  EXPECT_EQ(event.event_time(), "2026-11-22T10:00:00.000000Z");
  EXPECT_EQ(event.reporting_controller(), "csi.oneagent.dynatrace.com");
  EXPECT_EQ(event.reporting_instance(), "node-1");
  EXPECT_EQ(event.reason(), "AgentNotInjected");
  EXPECT_EQ(event.action(), "Publish");
  EXPECT_EQ(event.note(), "no agent");
  EXPECT_EQ(event.type(), "Warning");
  EXPECT_FALSE(event.has_series());
}

TEST(EventTest, CountsFromTheSecondOn) {
  const v1::Event event =
      Read(EventBody(PodEvent(), "n", 2, kNow + absl::Microseconds(1)));
  EXPECT_EQ(event.series().count(), 2);
  EXPECT_EQ(event.series().last_observed_time(), "2026-11-22T10:00:00.000001Z");
  const v1::Event patch = Read(SeriesBody(7, kNow));
  EXPECT_EQ(patch.series().count(), 7);
  EXPECT_THAT(SeriesBody(7, kNow), Not(HasSubstr("regarding")));
}

TEST(EventTest, HostileTextIsCutAndMadePrintable) {
  const std::string note = "\x1b[2J\xff\"}" + std::string(3000, 'x');
  const v1::Event event =
      Read(EventBody(PodEvent("once", note), std::string(500, 'n'), 1, kNow));
  EXPECT_EQ(event.note().size(), kMaxEventNote);
  EXPECT_THAT(event.note(), testing::StartsWith("?[2J?\"}x"));
  EXPECT_THAT(event.note(), testing::EndsWith("..."));
  EXPECT_EQ(event.reporting_instance().size(), kMaxEventInstance);
}

TEST(EventTest, OneOccurrenceHasOneName) {
  EXPECT_EQ(EventName(PodEvent("a", "x")), EventName(PodEvent("a", "y")));
  EXPECT_NE(EventName(PodEvent("a")), EventName(PodEvent("b")));
  KubeEvent event = PodEvent();
  event.regarding.name = std::string(250, '-');
  event.regarding.name[0] = 'a';
  EXPECT_LE(EventName(event).size(), 253u);
  EXPECT_THAT(EventName(event), testing::StartsWith("a."));
}

class EventSeriesTest : public testing::Test {
 protected:
  Move Happen(const KubeEvent& event, absl::Duration after) {
    last_ = series_.Plan(event, kNow + after);
    series_.Done(event, last_, kNow + after);
    return last_.move;
  }

  EventSeries series_;
  EventSeries::Step last_;
};

TEST_F(EventSeriesTest, TheSameAgainIsCountedAndShownNowAndThen) {
  EXPECT_EQ(Happen(PodEvent("1"), absl::ZeroDuration()), Move::kCreate);
  EXPECT_EQ(Happen(PodEvent("2"), absl::Minutes(1)), Move::kPatch);
  EXPECT_EQ(last_.name, EventName(PodEvent("1")));
  EXPECT_EQ(last_.namespace_name, "shop");
  EXPECT_EQ(last_.count, 2);
  EXPECT_EQ(Happen(PodEvent("3"), absl::Minutes(2)), Move::kCount);
  EXPECT_EQ(Happen(PodEvent("4"), absl::Minutes(3)), Move::kCount);
  EXPECT_EQ(Happen(PodEvent("5"), absl::Minutes(11)), Move::kPatch);
  EXPECT_EQ(last_.count, 5);
}

TEST_F(EventSeriesTest, WhatWasOnlyCountedIsShownWhenItsTimeHasCome) {
  for (int i = 0; i < 4; ++i) {
    Happen(PodEvent(absl::StrCat(i)), absl::Seconds(i));
  }
  EXPECT_THAT(series_.Overdue(kNow + absl::Minutes(9)), IsEmpty());
  const auto overdue = series_.Overdue(kNow + absl::Minutes(11));
  ASSERT_EQ(overdue.size(), 1u);
  EXPECT_EQ(overdue[0].move, Move::kPatch);
  EXPECT_EQ(overdue[0].count, 4);
  EXPECT_EQ(overdue[0].last, kNow + absl::Seconds(3));
  series_.Shown(overdue[0], kNow + absl::Minutes(11));
  EXPECT_THAT(series_.Overdue(kNow + absl::Minutes(60)), IsEmpty());
}

TEST_F(EventSeriesTest, AnotherCauseObjectOrHalfHourIsAnotherEvent) {
  EXPECT_EQ(Happen(PodEvent("1"), absl::ZeroDuration()), Move::kCreate);
  EXPECT_EQ(Happen(PodEvent("2", "other"), absl::Seconds(1)), Move::kCreate);
  KubeEvent other = PodEvent("3");
  other.regarding.uid = "uid-2";
  EXPECT_EQ(Happen(other, absl::Seconds(2)), Move::kCreate);
  EXPECT_EQ(Happen(PodEvent("4"), absl::Minutes(30)), Move::kCreate);
}

TEST_F(EventSeriesTest, AfterItsEventIsGoneASeriesBeginsAnew) {
  Happen(PodEvent("1"), absl::ZeroDuration());
  series_.Forget(last_);
  EXPECT_EQ(Happen(PodEvent("2"), absl::Seconds(1)), Move::kCreate);
}

TEST_F(EventSeriesTest, AnObjectThatSaysTooMuchIsNotHeard) {
  int created = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string cause = absl::StrCat("cause ", i);
    if (Happen(PodEvent(cause, cause), absl::ZeroDuration()) == Move::kCreate) {
      ++created;
    }
  }
  EXPECT_EQ(created, EventSeries::kBurst);
  // Others are, and it is again after a while.
  KubeEvent other = PodEvent();
  other.regarding.name = "cart-2";
  EXPECT_EQ(Happen(other, absl::ZeroDuration()), Move::kCreate);
  EXPECT_EQ(Happen(PodEvent("x", "x"), absl::Minutes(6)), Move::kCreate);
  EXPECT_EQ(Happen(PodEvent("y", "y"), absl::Minutes(6)), Move::kDrop);
}

TEST_F(EventSeriesTest, WhatIsRememberedIsBounded) {
  for (size_t i = 0; i < EventSeries::kMost + 10; ++i) {
    KubeEvent event = PodEvent();
    event.regarding.uid = absl::StrCat("uid-", i);
    Happen(event, absl::Milliseconds(i));
  }
  // The oldest was forgotten, the newest was not.
  KubeEvent oldest = PodEvent();
  oldest.regarding.uid = "uid-0";
  EXPECT_EQ(series_.Plan(oldest, kNow).move, Move::kCreate);
  KubeEvent newest = PodEvent();
  newest.regarding.uid = absl::StrCat("uid-", EventSeries::kMost + 9);
  EXPECT_EQ(series_.Plan(newest, kNow).move, Move::kPatch);
}

constexpr char kTerminating[] =
    R"({"kind":"Status","message":"namespace shop is being terminated",
        "reason":"Forbidden","code":403,
        "details":{"causes":[{"reason":"NamespaceTerminating"}]}})";
constexpr char kForbidden[] =
    R"({"kind":"Status","message":"events is forbidden",
        "reason":"Forbidden","code":403,"details":{}})";

struct Judged {
  std::string name;
  std::string verb;
  int code;
  std::string body;
  EventAnswer::Kind want;
};

TEST(EventAnswerTest, WhatAnAnswerMeans) {
  using Kind = EventAnswer::Kind;
  const std::vector<Judged> cases = {
      {"created", "create", 201, "{}", Kind::kTaken},
      {"the same Event twice", "create", 409, "", Kind::kTaken},
      {"no such namespace", "create", 404, "", Kind::kNever},
      {"namespace going", "create", 403, kTerminating, Kind::kNever},
      {"no rule", "create", 403, kForbidden, Kind::kNotNow},
      {"a 403 that is no JSON", "create", 403, "<html>", Kind::kNotNow},
      {"malformed", "create", 422, "", Kind::kNever},
      {"token over", "create", 401, "", Kind::kNotNow},
      {"too many", "create", 429, "", Kind::kNotNow},
      {"broken", "create", 500, "", Kind::kNotNow},
      {"patched", "patch", 200, "{}", Kind::kTaken},
      {"patch of nothing", "patch", 404, "", Kind::kNoSuchEvent},
      {"patch in a conflict", "patch", 409, "", Kind::kNotNow},
  };
  const ApiResource events = {.group = "events.k8s.io",
                              .version = "v1",
                              .resource = "events",
                              .namespace_name = "shop",
                              .name = ""};
  for (const Judged& each : cases) {
    const EventAnswer answer = JudgeEventAnswer(
        each.verb, events, {.code = each.code, .body = each.body});
    EXPECT_EQ(answer.kind, each.want) << each.name;
    EXPECT_EQ(answer.status.ok(), each.want == Kind::kTaken) << each.name;
  }
}

}  // namespace
}  // namespace oneagent
