// Rows that a lost index does not bring back, and agents that go between two
// steps: adopted from the disk, or installed anew at once.
#include "cache/provisioner/lost_rows.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/failpoint.h"
#include "base/trash.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/provisioner/node_fixture.h"

namespace oneagent {
namespace {

class LostRowsTest : public NodeFixture {
 protected:
  void TearDown() override { DisarmFailpoints(); }
  // The clock stands still: what needs a turn of its own does not get one.
  void Turn() {
    node_->scheduler.RunOnce(clock_.Now());
    node_->scheduler.WaitUntilSettled(clock_.Now());
  }
  void LoseIndex() {
    for (const char* suffix : {"", "-wal", "-shm"}) {
      ASSERT_OK(RemoveFileIfPresent(absl::StrCat(layout_.IndexFile(), suffix)));
    }
  }
};

TEST_F(LostRowsTest, WhatOnlyTheIndexHasLostIsAdopted) {
  PutDynaKube("prod");
  Settle();
  const TenantRow row = Row("prod");
  Index& index = *node_->index;
  TenantRow deleted = row;
  deleted.deleted_at = clock_.Now();
  ASSERT_OK(index.PutTenant(deleted));
  ASSERT_OK(index.DeleteTenant("prod"));
  ASSERT_OK(index.SetReconciled(kNodeBootId));
  ASSERT_THAT(index.DeleteAgentIfUnused(row.agent_id, absl::InfiniteFuture(),
                                        kNodeBootId),
              IsOkAndHolds(true));
  ASSERT_THAT(index.DeleteConfigIfUnused(row.config_id, absl::InfiniteFuture(),
                                         kNodeBootId),
              IsOkAndHolds(true));
  EXPECT_OK(node_->book.Write(row));
  EXPECT_TRUE(Row("prod") == row);
  ExpectConsistent();
}

TEST_F(LostRowsTest, AnAgentThatIsGoneWithTheIndexComesBackAtOnce) {
  PutDynaKube("prod");
  Settle();
  const std::string id = Row("prod").agent_id;
  ASSERT_OK(DeleteTree(layout_.AgentTree(id)));
  ASSERT_OK(RemoveFileIfPresent(layout_.AgentManifest(id)));
  LoseIndex();
  EXPECT_THAT(node_->index->ListAgents(), IsOk());  // rebuilt
  EXPECT_THAT(DynaKubesInNeed(*node_->index),
              IsOkAndHolds(testing::ElementsAre("prod")));
  Turn();
  EXPECT_TRUE(IsOnDisk(id));
  EXPECT_EQ(Downloads(), 2);
  EXPECT_THAT(DynaKubesInNeed(*node_->index), IsOkAndHolds(testing::IsEmpty()));
  ExpectConsistent();
}

TEST_F(LostRowsTest, AnAgentCollectedBeforeItsSwitchComesAgainAtOnce) {
  PutDynaKube("prod");
  ASSERT_OK(node_->index->SetReconciled(kNodeBootId));
  bool is_collected = false;
  ArmFailpoint("reconcile:3", [&] {
    if (is_collected) return;
    is_collected = true;
    // As "gc --now --grace-period=0s" of another process would.
    ASSERT_OK_AND_ASSIGN(const auto agents, node_->index->ListAgents());
    ASSERT_EQ(agents.size(), 1u);
    EXPECT_THAT(node_->store.RemoveAgent(agents[0].id, absl::InfiniteFuture(),
                                         kNodeBootId),
                IsOkAndHolds(true));
  });
  Settle();
  EXPECT_TRUE(is_collected);
  EXPECT_EQ(Row("prod").state, TenantState::kReady) << Row("prod").reason;
  EXPECT_EQ(AgentFile("prod", "agent/version"), kOne);
  ExpectConsistent();
}

}  // namespace
}  // namespace oneagent
