#include "csi/work_queue.h"

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace oneagent {
namespace {

using ::testing::ElementsAre;

// Opens once; whoever waits goes on.
class Gate {
 public:
  void Open() {
    MutexLock lock(mu_);
    open_ = true;
    cv_.NotifyAll();
  }
  void Wait() {
    MutexLock lock(mu_);
    while (!open_) cv_.Wait(mu_);
  }

 private:
  Mutex mu_;
  CondVar cv_;
  bool open_ ABSL_GUARDED_BY(mu_) = false;
};

// What happened, in order; WaitFor blocks until so many things did.
class Journal {
 public:
  void Add(const std::string& entry) {
    MutexLock lock(mu_);
    entries_.push_back(entry);
    cv_.NotifyAll();
  }
  std::vector<std::string> WaitFor(size_t count) {
    MutexLock lock(mu_);
    while (entries_.size() < count) cv_.Wait(mu_);
    return entries_;
  }
  std::vector<std::string> entries() { return WaitFor(0); }

 private:
  Mutex mu_;
  CondVar cv_;
  std::vector<std::string> entries_ ABSL_GUARDED_BY(mu_);
};

class WorkQueueTest : public testing::Test {
 protected:
  WorkQueue::Task Task(const std::string& key, const std::string& name,
                       Gate* gate = nullptr) {
    return {.key = key,
            .deadline = absl::InfiniteFuture(),
            .run =
                [this, name, gate] {
                  journal_.Add(absl::StrCat("+", name));
                  if (gate != nullptr) gate->Wait();
                  journal_.Add(absl::StrCat("-", name));
                },
            .expired = [this, name] { journal_.Add(absl::StrCat("!", name)); }};
  }
  WorkQueue::Task Until(absl::Time deadline, WorkQueue::Task task) {
    task.deadline = deadline;
    return task;
  }

  Journal journal_;
};

TEST_F(WorkQueueTest, RunsInOrderOfSubmission) {
  Gate gate;
  WorkQueue queue(/*workers=*/1);
  queue.Submit(Task("a", "1", &gate));
  queue.Submit(Task("b", "2"));
  queue.Submit(Task("a", "3"));
  queue.Submit(Task("c", "4"));
  gate.Open();
  queue.Drain();
  EXPECT_THAT(journal_.entries(),
              ElementsAre("+1", "-1", "+2", "-2", "+3", "-3", "+4", "-4"));
}

TEST_F(WorkQueueTest, OneKeyRunsOneTaskAtATimeInOrder) {
  Gate gate;
  WorkQueue queue(/*workers=*/4);
  queue.Submit(Task("a", "1", &gate));
  queue.Submit(Task("a", "2"));
  queue.Submit(Task("a", "3"));
  journal_.WaitFor(1);
  EXPECT_EQ(queue.running(), 1);
  EXPECT_EQ(queue.waiting(), 2);
  gate.Open();
  queue.Drain();
  EXPECT_THAT(journal_.entries(),
              ElementsAre("+1", "-1", "+2", "-2", "+3", "-3"));
}

TEST_F(WorkQueueTest, TaskThatWaitsForItsKeyHoldsNoWorker) {
  Gate gate;
  WorkQueue queue(/*workers=*/2);
  queue.Submit(Task("stuck", "1", &gate));
  for (int i = 0; i < 10; ++i) queue.Submit(Task("stuck", "later"));
  queue.Submit(Task("other", "2"));
  // Would never come if a task of "stuck" held the second worker.
  EXPECT_THAT(journal_.WaitFor(3), ElementsAre("+1", "+2", "-2"));
  gate.Open();
}

TEST_F(WorkQueueTest, KeyThatBecomesFreeKeepsItsPlaceInTheLine) {
  Gate gate;
  Gate second_gate;
  WorkQueue queue(/*workers=*/2);
  queue.Submit(Task("a", "1", &gate));
  queue.Submit(Task("b", "2", &second_gate));
  queue.Submit(Task("a", "3"));
  queue.Submit(Task("c", "4"));
  journal_.WaitFor(2);
  gate.Open();
  // One worker is free now and "3" came before "4".
  EXPECT_THAT(journal_.WaitFor(7).at(3), "+3");
  second_gate.Open();
}

TEST_F(WorkQueueTest, NeverRunsMoreThanItsWorkers) {
  constexpr int kWorkers = 3;
  std::atomic<int> at_work{0};
  std::atomic<int> most{0};
  std::atomic<int> done{0};
  {
    WorkQueue queue(kWorkers);
    std::vector<std::thread> submitters;
    for (int t = 0; t < 4; ++t) {
      submitters.emplace_back([&, t] {
        for (int i = 0; i < 100; ++i) {
          queue.Submit({.key = absl::StrCat(t, "-", i % 7),
                        .deadline = absl::InfiniteFuture(),
                        .run =
                            [&] {
                              const int now = ++at_work;
                              int seen = most;
                              while (now > seen &&
                                     !most.compare_exchange_weak(seen, now)) {
                              }
                              --at_work;
                              ++done;
                            },
                        .expired = [] { ADD_FAILURE() << "expired"; }});
        }
      });
    }
    for (std::thread& submitter : submitters) submitter.join();
  }
  EXPECT_EQ(done, 400);
  EXPECT_LE(most, kWorkers);
}

TEST_F(WorkQueueTest, AllWorkersAreUsed) {
  constexpr int kWorkers = 5;
  Gate gate;
  WorkQueue queue(kWorkers);
  for (int i = 0; i < kWorkers + 3; ++i) {
    queue.Submit(Task(absl::StrCat(i), "x", &gate));
  }
  journal_.WaitFor(kWorkers);
  EXPECT_EQ(queue.running(), kWorkers);
  EXPECT_EQ(queue.waiting(), 3);
  gate.Open();
}

TEST_F(WorkQueueTest, ExpiresWhatNoWorkerWasFreeForInTime) {
  Gate gate;
  WorkQueue queue(/*workers=*/1);
  queue.Submit(Task("a", "1", &gate));
  queue.Submit(Until(absl::Now() + absl::Milliseconds(5), Task("b", "2")));
  // Answered while the only worker is still at work.
  EXPECT_THAT(journal_.WaitFor(2), ElementsAre("+1", "!2"));
  gate.Open();
  queue.Drain();
  EXPECT_THAT(journal_.entries(), ElementsAre("+1", "!2", "-1"));
}

TEST_F(WorkQueueTest, ExpiresWhatWaitsForItsKeyAndGoesOnWithTheNext) {
  Gate gate;
  WorkQueue queue(/*workers=*/2);
  queue.Submit(Task("a", "1", &gate));
  queue.Submit(Until(absl::Now() + absl::Milliseconds(5), Task("a", "2")));
  queue.Submit(Task("a", "3"));
  EXPECT_THAT(journal_.WaitFor(2), ElementsAre("+1", "!2"));
  gate.Open();
  queue.Drain();
  EXPECT_THAT(journal_.entries(), ElementsAre("+1", "!2", "-1", "+3", "-3"));
}

TEST_F(WorkQueueTest, LaterTaskWithAnEarlierDeadlineExpiresFirst) {
  Gate gate;
  WorkQueue queue(/*workers=*/1);
  queue.Submit(Task("a", "1", &gate));
  queue.Submit(Until(absl::Now() + absl::Hours(1), Task("b", "2")));
  queue.Submit(Until(absl::Now() + absl::Milliseconds(5), Task("c", "3")));
  EXPECT_THAT(journal_.WaitFor(2), ElementsAre("+1", "!3"));
  gate.Open();
}

TEST_F(WorkQueueTest, TaskWhoseDeadlineHasPassedIsNotBegun) {
  WorkQueue queue(/*workers=*/1);
  queue.Submit(Until(absl::InfinitePast(), Task("a", "1")));
  queue.Submit(Task("a", "2"));
  queue.Drain();
  EXPECT_THAT(journal_.entries(), ElementsAre("!1", "+2", "-2"));
}

TEST_F(WorkQueueTest, DrainWaitsForEverythingThatWasSubmitted) {
  Gate gate;
  WorkQueue queue(/*workers=*/1);
  queue.Submit(Task("a", "1", &gate));
  queue.Submit(Task("a", "2"));
  journal_.WaitFor(1);
  std::thread opener([&] { gate.Open(); });
  queue.Drain();
  EXPECT_THAT(journal_.entries(), ElementsAre("+1", "-1", "+2", "-2"));
  EXPECT_EQ(queue.running(), 0);
  EXPECT_EQ(queue.waiting(), 0);
  opener.join();
}

TEST_F(WorkQueueTest, AfterDrainATaskExpiresAtOnce) {
  WorkQueue queue(/*workers=*/1);
  queue.Drain();
  queue.Submit(Task("a", "1"));
  EXPECT_THAT(journal_.entries(), ElementsAre("!1"));
}

TEST_F(WorkQueueTest, TaskMaySubmitTheNextOne) {
  WorkQueue queue(/*workers=*/1);
  Gate gate;
  queue.Submit({.key = "a",
                .deadline = absl::InfiniteFuture(),
                .run =
                    [&] {
                      queue.Submit(Task("a", "2"));
                      gate.Open();
                    },
                .expired = [] {}});
  gate.Wait();
  EXPECT_THAT(journal_.WaitFor(2), ElementsAre("+2", "-2"));
}

TEST_F(WorkQueueTest, ReleasesWhatATaskHoldsBeforeDrainReturns) {
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = held;
  WorkQueue queue(/*workers=*/1);
  queue.Submit({.key = "a",
                .deadline = absl::InfiniteFuture(),
                .run = [held] {},
                .expired = [] {}});
  held.reset();
  queue.Drain();
  EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace oneagent
