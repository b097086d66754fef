#include "cache/provisioner/commit_gate.h"

#include <atomic>
#include <thread>

#include "gtest/gtest.h"

namespace oneagent {
namespace {

TEST(CommitGateTest, ASweepDoesNotBeginWhileThereAreCommits) {
  CommitGate gate;
  {
    const CommitGate::Commit one(gate);
    const CommitGate::Commit two(gate);
    EXPECT_FALSE(gate.TryBeginSweep());
  }
  EXPECT_TRUE(gate.TryBeginSweep());
  EXPECT_FALSE(gate.TryBeginSweep());
  gate.EndSweep();
  EXPECT_TRUE(gate.TryBeginSweep());
  gate.EndSweep();
}

TEST(CommitGateTest, ACommitWaitsForTheEndOfTheSweep) {
  CommitGate gate;
  std::atomic<bool> swept = false;
  ASSERT_TRUE(gate.TryBeginSweep());
  std::thread committer([&] {
    const CommitGate::Commit commit(gate);
    EXPECT_TRUE(swept);
  });
  swept = true;
  gate.EndSweep();
  committer.join();
}

}  // namespace
}  // namespace oneagent
