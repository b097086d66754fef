// Notices and posted Events on their way to an API that fails in every way.
#include "cache/provisioner/event_courier.h"

#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "base/mutex.h"
#include "tests/support/failpoints.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/provisioner/node_fixture.h"

namespace oneagent {
namespace {

using Kind = EventAnswer::Kind;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// Keeps what it takes; answers as it is told.
class FakeSink final : public EventSink {
 public:
  EventAnswer Create(const KubeEvent& event, int32_t count,
                     absl::Time) override {
    MutexLock lock(mu_);
    ++requests_;
    const Kind kind = answer_(event.regarding.namespace_name);
    if (kind == Kind::kTaken) {
      taken_.push_back(event);
      lines_.push_back(absl::StrCat("create ", event.regarding.name, " ",
                                    event.reason, " ", count));
      changed_.NotifyAll();
    }
    return Answer(kind);
  }
  EventAnswer PatchSeries(const std::string& namespace_name,
                          const std::string& name, int32_t count,
                          absl::Time) override {
    MutexLock lock(mu_);
    ++requests_;
    const Kind kind = answer_(namespace_name);
    if (kind == Kind::kTaken) {
      lines_.push_back(
          absl::StrCat("patch ", name.substr(0, name.find('.')), " ", count));
    }
    return Answer(kind);
  }

  void AnswerWith(Kind kind) {
    AnswerWith([kind](const std::string&) { return kind; });
  }
  void AnswerWith(std::function<Kind(const std::string&)> answer) {
    MutexLock lock(mu_);
    answer_ = std::move(answer);
  }
  std::vector<std::string> Lines() {
    MutexLock lock(mu_);
    return std::exchange(lines_, {});
  }
  std::vector<KubeEvent> Taken() {
    MutexLock lock(mu_);
    return taken_;
  }
  int requests() {
    MutexLock lock(mu_);
    return requests_;
  }
  void AwaitTaken(size_t count) {
    MutexLock lock(mu_);
    while (taken_.size() < count) changed_.Wait(mu_);
  }

 private:
  static EventAnswer Answer(Kind kind) {
    return {.kind = kind,
            .status = kind == Kind::kTaken
                          ? absl::OkStatus()
                          : absl::UnavailableError(absl::StrCat(
                                "answer ", static_cast<int>(kind)))};
  }

  Mutex mu_;
  CondVar changed_;
  std::function<Kind(const std::string&)> answer_ ABSL_GUARDED_BY(mu_) =
      [](const std::string&) { return Kind::kTaken; };
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mu_);
  std::vector<KubeEvent> taken_ ABSL_GUARDED_BY(mu_);
  int requests_ ABSL_GUARDED_BY(mu_) = 0;
};

class EventCourierTest : public NodeFixture {
 protected:
  EventCourierTest() { Restart(); }

  void Restart() {
    courier_ = nullptr;
    courier_ = std::make_unique<EventCourier>(
        EventCourier::Parts{.index = *node_->index,
                            .sink = sink_,
                            .observer = observer_,
                            .clock = clock_});
  }
  // The mounter gives up on a volume of this pod.
  void Notice(const std::string& pod, const std::string& namespace_name = "ns",
              const std::string& reason = "no such DynaKube") {
    VolumeRow row;
    row.id = "csi-" + pod;
    row.pod = pod;
    row.namespace_name = namespace_name;
    row.pod_uid = "uid-" + pod;
    row.dynakube = "dk";
    row.target = "/t";
    row.boot_id = kNodeBootId;
    row.reason = reason;
    ASSERT_OK(node_->index->MarkEmpty(row, clock_.Now()));
  }
  absl::Duration RunOnce() { return courier_->RunOnce(clock_.Now()); }
  size_t Notices() { return node_->index->ListNotices()->size(); }

  FakeSink sink_;
  std::unique_ptr<EventCourier> courier_;
};

TEST_F(EventCourierTest, ANoticeBecomesAnEventOnThePod) {
  Notice("cart");
  RunOnce();
  ASSERT_THAT(sink_.Taken(), SizeIs(1));
  const KubeEvent event = sink_.Taken()[0];
  EXPECT_EQ(event.regarding, (EventSubject{.api_version = "v1",
                                           .kind = "Pod",
                                           .namespace_name = "ns",
                                           .name = "cart",
                                           .uid = "uid-cart"}));
  EXPECT_EQ(event.reason, "AgentNotInjected");
  EXPECT_EQ(event.type, EventType::kWarning);
  EXPECT_EQ(event.at, clock_.Now());
  EXPECT_THAT(event.note, testing::AllOf(HasSubstr("csi-cart"),
                                         HasSubstr("no such DynaKube")));
  EXPECT_EQ(Notices(), 0u);
  RunOnce();
  EXPECT_EQ(sink_.requests(), 1);
}

TEST_F(EventCourierTest, WhileTheApiIsAwayNoticesAreKeptAndSaidOnce) {
  sink_.AnswerWith(Kind::kNoAnswer);
  Notice("a");
  Notice("b");
  for (int i = 0; i < 5; ++i) clock_.Advance(RunOnce());
  EXPECT_EQ(Notices(), 2u);
  // One request each time, not one for each notice.
  EXPECT_EQ(sink_.requests(), 5);
  const std::vector<std::string> said = observer_.Events();
  EXPECT_THAT(said, SizeIs(3)) << testing::PrintToString(said);

  sink_.AnswerWith(Kind::kTaken);
  clock_.Advance(EventCourier::kLongestPause);
  RunOnce();
  EXPECT_EQ(Notices(), 0u);
  EXPECT_THAT(sink_.Lines(), ElementsAre("create a AgentNotInjected 1",
                                         "create b AgentNotInjected 1"));
}

TEST_F(EventCourierTest, PausesGrowAndEndWithSuccess) {
  sink_.AnswerWith(Kind::kNoAnswer);
  Notice("a");
  EXPECT_EQ(RunOnce(), absl::Seconds(1));
  EXPECT_EQ(RunOnce(), absl::Seconds(1));  // not due: nothing is asked
  EXPECT_EQ(sink_.requests(), 1);
  absl::Duration pause;
  for (int i = 0; i < 12; ++i) {
    clock_.Advance(absl::Seconds(300));
    pause = RunOnce();
    Notice(absl::StrCat("more", i));  // they stay young enough
  }
  EXPECT_EQ(pause, EventCourier::kLongestPause);
  sink_.AnswerWith(Kind::kTaken);
  clock_.Advance(pause);
  RunOnce();
  sink_.AnswerWith(Kind::kNoAnswer);
  Notice("b");
  EXPECT_EQ(RunOnce(), absl::Seconds(1));
}

TEST_F(EventCourierTest, ANamespaceThatIsGoneIsDroppedAndSaid) {
  sink_.AnswerWith([](const std::string& where) {
    return where == "gone" ? Kind::kNever : Kind::kTaken;
  });
  Notice("a", "gone");
  Notice("b");
  RunOnce();
  EXPECT_EQ(Notices(), 0u);
  EXPECT_THAT(sink_.Lines(), ElementsAre("create b AgentNotInjected 1"));
  EXPECT_THAT(observer_.Events(), Contains(HasSubstr("answer")));
}

TEST_F(EventCourierTest, ANamespaceThatRefusesHoldsUpNoOther) {
  sink_.AnswerWith([](const std::string& where) {
    return where == "shut" ? Kind::kNotNow : Kind::kTaken;
  });
  Notice("a", "shut");
  Notice("b", "shut");
  Notice("c");
  RunOnce();
  EXPECT_THAT(sink_.Lines(), ElementsAre("create c AgentNotInjected 1"));
  EXPECT_EQ(sink_.requests(), 2);  // "shut" was asked once
  EXPECT_EQ(Notices(), 2u);
}

TEST_F(EventCourierTest, AfterAnHourNobodyWaitsForItAnyMore) {
  sink_.AnswerWith(Kind::kNoAnswer);
  Notice("a");
  RunOnce();
  clock_.Advance(absl::Minutes(60));
  RunOnce();
  EXPECT_EQ(Notices(), 1u);
  clock_.Advance(absl::Minutes(5));
  observer_.Events();
  RunOnce();
  EXPECT_EQ(Notices(), 0u);
  EXPECT_THAT(observer_.Events(), Contains(HasSubstr("ns: pod a")));
}

TEST_F(EventCourierTest, TheSameOnOnePodIsASeries) {
  for (int i = 0; i < 3; ++i) {
    Notice("a");
    ASSERT_OK(node_->index->ReleaseLease("csi-a", clock_.Now()));
    clock_.Advance(absl::Seconds(1));
    RunOnce();
  }
  EXPECT_THAT(sink_.Lines(),
              ElementsAre("create a AgentNotInjected 1", "patch a 2"));
  EXPECT_EQ(Notices(), 0u);
  // The third is shown when its time has come.
  clock_.Advance(absl::Minutes(11));
  RunOnce();
  EXPECT_THAT(sink_.Lines(), ElementsAre("patch a 3"));
}

TEST_F(EventCourierTest, ASeriesWhoseEventIsGoneGetsAnotherOne) {
  Notice("a");
  RunOnce();
  ASSERT_OK(node_->index->ReleaseLease("csi-a", clock_.Now()));
  clock_.Advance(absl::Seconds(1));
  Notice("a");
  int asked = 0;
  sink_.AnswerWith([&asked](const std::string&) {
    return ++asked == 1 ? Kind::kNoSuchEvent : Kind::kTaken;
  });
  RunOnce();
  EXPECT_THAT(sink_.Lines(), ElementsAre("create a AgentNotInjected 1",
                                         "create a AgentNotInjected 2"));
  EXPECT_NE(EventName(sink_.Taken()[0]), EventName(sink_.Taken()[1]));
  EXPECT_EQ(Notices(), 0u);
}

TEST_F(EventCourierTest, ManyPodsAtOnceAreToldOneByOne) {
  for (int i = 0; i < 200; ++i) Notice(absl::StrCat("p", i));
  EXPECT_EQ(RunOnce(), absl::Seconds(1));
  EXPECT_EQ(sink_.requests(), EventCourier::kBurst);
  for (int i = 0; i < 175; ++i) {
    clock_.Advance(absl::Seconds(1));
    RunOnce();
  }
  EXPECT_EQ(sink_.requests(), 200);
  EXPECT_EQ(Notices(), 0u);
}

TEST_F(EventCourierTest, AClockThatIsSetBackPutsNothingOff) {
  sink_.AnswerWith(Kind::kNoAnswer);
  Notice("a");
  RunOnce();
  clock_.Advance(-absl::Hours(5));
  sink_.AnswerWith(Kind::kTaken);
  RunOnce();
  EXPECT_EQ(Notices(), 0u);
}

TEST_F(EventCourierTest, WhatIsPostedIsKeptButNotForEver) {
  sink_.AnswerWith(Kind::kNoAnswer);
  for (int i = 0; i < 150; ++i) {
    KubeEvent event =
        EventOf({.pod = absl::StrCat("p", i), .at = clock_.Now()});
    courier_->Post(event);
  }
  RunOnce();
  EXPECT_EQ(sink_.requests(), 1);
  sink_.AnswerWith(Kind::kTaken);
  for (int i = 0; i < 100; ++i) {
    clock_.Advance(absl::Seconds(1));
    RunOnce();
  }
  ASSERT_THAT(sink_.Taken(), SizeIs(100));
  EXPECT_EQ(sink_.Taken()[0].regarding.name, "p50");
  courier_->Post(EventOf({.pod = "old", .at = clock_.Now()}));
  clock_.Advance(absl::Minutes(61));
  RunOnce();
  EXPECT_THAT(sink_.Taken(), SizeIs(100));
}

// Died at each step of "notice" (event_courier.h); the API knows by the name.
TEST_F(EventCourierTest, ACrashTellsTheSameEventAgainOrNothing) {
  for (const std::string& step : FailpointsOf("notice")) {
    Notice("a");
    const KubeEvent told = EventOf(node_->index->ListNotices()->at(0));
    courier_ = nullptr;
    node_.reset();  // a database handle does not survive fork(2)
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ArmFailpoint(step, [] { _exit(42); });
      Reopen();
      Restart();
      RunOnce();
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(WEXITSTATUS(status), 42) << step;
    Reopen();
    Restart();
    RunOnce();
    if (step == "notice:1") {
      ASSERT_THAT(sink_.Taken(), SizeIs(1));
      EXPECT_EQ(EventName(sink_.Taken()[0]), EventName(told));
    } else {
      EXPECT_THAT(sink_.Taken(), SizeIs(1));  // none was added
    }
    EXPECT_EQ(Notices(), 0u);
    ASSERT_OK(node_->index->ReleaseLease("csi-a", clock_.Now()));
  }
}

TEST_F(EventCourierTest, ItsThreadWakesForNoticesAndPosts) {
  courier_->Start();
  Notice("a");
  ASSERT_OK(courier_->Deliver());
  sink_.AwaitTaken(1);
  courier_->Post(
      EventOf({.pod = "b", .namespace_name = "ns", .at = clock_.Now()}));
  courier_->Post(
      EventOf({.pod = "c", .namespace_name = "ns", .at = clock_.Now()}));
  sink_.AwaitTaken(3);
}

}  // namespace
}  // namespace oneagent
