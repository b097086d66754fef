// When the taint goes that keeps pods off a new node.
#include "cache/provisioner/startup_taint.h"

#include <string>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/provisioner/node_fixture.h"

namespace oneagent {
namespace {

using testing::ElementsAre;

class StartupTaintTest : public NodeFixture {
 protected:
  StartupTaintTest()
      : taint_({.index = *node_->index,
                .observer = observer_,
                .boot_id = kNodeBootId,
                .remove = [this] {
                  MutexLock lock(mu_);
                  ++calls_;
                  return answer_;
                }}) {}
  int calls() {
    MutexLock lock(mu_);
    return calls_;
  }
  void AnswerWith(absl::Status answer) {
    MutexLock lock(mu_);
    answer_ = std::move(answer);
  }

  Mutex mu_;
  int calls_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Status answer_ ABSL_GUARDED_BY(mu_);
  StartupTaint taint_;
};

TEST_F(StartupTaintTest, GoesWhenAgentAndMounterAreThere) {
  taint_.Look(/*agent_is_cached=*/true);
  ASSERT_OK(node_->index->SetReconciled("another boot"));
  taint_.Look(/*agent_is_cached=*/true);
  ASSERT_OK(node_->index->SetReconciled(kNodeBootId));
  taint_.Look(/*agent_is_cached=*/false);
  EXPECT_FALSE(taint_.WaitUntilDone(absl::ZeroDuration()));
  EXPECT_EQ(calls(), 0);
  taint_.Look(/*agent_is_cached=*/true);
  EXPECT_TRUE(taint_.WaitUntilDone(absl::Seconds(30)));
  taint_.Look(/*agent_is_cached=*/true);
  EXPECT_EQ(calls(), 1);
}

TEST_F(StartupTaintTest, IsTriedAgainAndSaidOnce) {
  ASSERT_OK(node_->index->SetReconciled(kNodeBootId));
  AnswerWith(absl::PermissionDeniedError("no rule"));
  taint_.Look(/*agent_is_cached=*/true);
  while (calls() < 2) std::this_thread::yield();
  AnswerWith(absl::OkStatus());
  EXPECT_TRUE(taint_.WaitUntilDone(absl::Seconds(30)));
  EXPECT_THAT(observer_.Events(), ElementsAre("error chore: no rule"));
}

TEST_F(StartupTaintTest, AnAgentIsMissedOnlyByThoseThatNeedOne) {
  EXPECT_FALSE(node_->scheduler.IsFirstAgentReady());  // not listed yet
  Settle();
  EXPECT_TRUE(node_->scheduler.IsFirstAgentReady());  // nobody is there
  PutDynaKube("prod", "version: 1.999.0.1-1");
  Settle();
  EXPECT_FALSE(node_->scheduler.IsFirstAgentReady());
  PutDynaKube("other");
  Settle();
  EXPECT_TRUE(node_->scheduler.IsFirstAgentReady());
  RemoveManifest("other.yaml");
  PutManifest("prod.yaml", "{");
  Settle();
  EXPECT_FALSE(node_->scheduler.IsFirstAgentReady());  // one may be hidden
}

}  // namespace
}  // namespace oneagent
