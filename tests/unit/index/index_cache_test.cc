#include <string>
#include <vector>

#include "tests/unit/index/index_fixture.h"

namespace oneagent {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

class IndexCacheTest : public IndexTest {
 protected:
  ConfigRow Config(const std::string& id) {
    const auto configs = index_->ListConfigs();
    EXPECT_THAT(configs, IsOk());
    for (const ConfigRow& config : configs.value_or(std::vector<ConfigRow>())) {
      if (config.id == id) return config;
    }
    ADD_FAILURE() << "no config " << id;
    return {};
  }
};

TEST_F(IndexCacheTest, EveryFieldOfAnAgentComesBack) {
  AgentRow agent = AgentOf("a1", "1.0");
  agent.state = TreeState::kMissing;
  agent.leases = 99;        // not stored
  agent.is_current = true;  // not stored
  ASSERT_OK(index_->PutAgent(agent));
  agent.leases = 0;
  agent.is_current = false;
  Reopen();
  EXPECT_EQ(Agent("a1"), agent);
  EXPECT_THAT(index_->GetAgent("a2"), IsOkAndHolds(std::nullopt));
}

TEST_F(IndexCacheTest, AgentsAreListedByVersionWithWhatUsesThem) {
  ASSERT_OK(index_->PutAgent(AgentOf("a1", "2.0")));
  ASSERT_OK(index_->PutAgent(AgentOf("a3", "1.0")));
  ASSERT_OK(index_->PutAgent(AgentOf("a2", "1.0")));
  ASSERT_OK(index_->PutTenant(TenantOf("dk", "a3")));
  ASSERT_OK(Acquire("v1"));
  ASSERT_OK(Acquire("v2"));
  EXPECT_THAT(index_->ListAgents(),
              IsOkAndHolds(ElementsAre(
                  AllOf(Field(&AgentRow::id, "a2"), Field(&AgentRow::leases, 0),
                        Field(&AgentRow::is_current, false)),
                  AllOf(Field(&AgentRow::id, "a3"), Field(&AgentRow::leases, 2),
                        Field(&AgentRow::is_current, true)),
                  Field(&AgentRow::id, "a1"))));
}

TEST_F(IndexCacheTest, LastUseOfAnAgentIsKeptIfLater) {
  AgentRow agent = AgentOf("a1", "1.0");
  agent.last_used_at = At(50);
  ASSERT_OK(index_->PutAgent(agent));
  agent.last_used_at = At(40);
  agent.bytes = 7;
  ASSERT_OK(index_->PutAgent(agent));
  EXPECT_EQ(Agent("a1").last_used_at, At(50));
  EXPECT_EQ(Agent("a1").bytes, 7);
  agent.last_used_at = absl::InfinitePast();
  ASSERT_OK(index_->PutAgent(agent));
  EXPECT_EQ(Agent("a1").last_used_at, At(50));
  agent.last_used_at = At(60);
  ASSERT_OK(index_->PutAgent(agent));
  EXPECT_EQ(Agent("a1").last_used_at, At(60));
}

TEST_F(IndexCacheTest, EveryFieldOfAConfigComesBack) {
  ConfigRow config = ConfigOf("c1");
  config.state = TreeState::kMissing;
  ASSERT_OK(index_->PutConfig(config));
  EXPECT_EQ(Config("c1"), config);
  ASSERT_OK(index_->SetConfigState("c1", TreeState::kReady));
  EXPECT_EQ(Config("c1").state, TreeState::kReady);
}

TEST_F(IndexCacheTest, EveryFieldOfATenantComesBack) {
  ASSERT_OK(index_->PutAgent(AgentOf("a1", "1.0")));
  ASSERT_OK(index_->PutConfig(ConfigOf("c1")));
  TenantRow tenant = TenantOf("dk", "a1", "c1");
  tenant.state = TenantState::kFailed;
  tenant.reason = "r";
  ASSERT_OK(index_->PutTenant(tenant));
  Reopen();
  EXPECT_THAT(index_->GetTenant("dk"), IsOkAndHolds(testing::Optional(tenant)));
  EXPECT_THAT(index_->ListTenants(), IsOkAndHolds(ElementsAre(tenant)));
  EXPECT_THAT(index_->GetTenant("other"), IsOkAndHolds(std::nullopt));
  // Only a deleted one goes.
  ASSERT_OK(index_->DeleteTenant("dk"));
  EXPECT_THAT(index_->ListTenants(), IsOkAndHolds(ElementsAre(tenant)));
  DropTenant();
  ASSERT_OK(index_->DeleteTenant("dk"));
  EXPECT_THAT(index_->ListTenants(), IsOkAndHolds(IsEmpty()));
}

TEST_F(IndexCacheTest, TenantOfAnUnknownAgentOrConfigIsRefused) {
  EXPECT_THAT(index_->PutTenant(TenantOf("dk", "nope")),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("tenant dk: agent 'nope'")));
  ASSERT_OK(index_->PutAgent(AgentOf("a1", "1.0")));
  EXPECT_THAT(index_->PutTenant(TenantOf("dk", "a1", "nope")),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(index_->ListTenants(), IsOkAndHolds(IsEmpty()));
}

TEST_F(IndexCacheTest, SwitchOfATenantNotesWhenTheOldOnesWereLetGo) {
  PutReadyTenant();
  ASSERT_OK(index_->PutAgent(AgentOf("a2", "2.0")));
  ASSERT_OK(index_->PutConfig(ConfigOf("c2")));
  TenantRow tenant = TenantOf("dk", "a2", "c2");
  tenant.updated_at = At(70);
  ASSERT_OK(index_->PutTenant(tenant));
  EXPECT_EQ(Agent("a1").last_used_at, At(70));
  EXPECT_EQ(Config("c1").last_used_at, At(70));
  EXPECT_EQ(Agent("a2").last_used_at, At(0));
  EXPECT_TRUE(Agent("a2").is_current);
  EXPECT_FALSE(Agent("a1").is_current);
}

TEST_F(IndexCacheTest, StateOfTheUnknownIsOk) {
  EXPECT_OK(index_->SetAgentState("a1", TreeState::kMissing));
  EXPECT_OK(index_->SetConfigState("c1", TreeState::kMissing));
  EXPECT_THAT(index_->ListAgents(), IsOkAndHolds(IsEmpty()));
}

TEST_F(IndexCacheTest, LeasedAgentIsNotDeleted) {
  PutReadyTenant();
  Reconcile();
  ASSERT_OK(Acquire("v1", 1));
  DropTenant();
  EXPECT_THAT(index_->DeleteAgentIfUnused("a1", At(999), kBoot),
              IsOkAndHolds(false));
  EXPECT_THAT(index_->DeleteConfigIfUnused("c1", At(999), kBoot),
              IsOkAndHolds(false));
  ASSERT_OK(index_->ReleaseLease("v1", At(2)));
  EXPECT_THAT(index_->DeleteAgentIfUnused("a1", At(999), kBoot),
              IsOkAndHolds(true));
  EXPECT_THAT(index_->DeleteConfigIfUnused("c1", At(999), kBoot),
              IsOkAndHolds(true));
  EXPECT_THAT(index_->ListAgents(), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(index_->ListConfigs(), IsOkAndHolds(IsEmpty()));
}

TEST_F(IndexCacheTest, CurrentAgentOfALiveTenantIsNotDeleted) {
  PutReadyTenant();
  Reconcile();
  EXPECT_THAT(index_->DeleteAgentIfUnused("a1", At(999), kBoot),
              IsOkAndHolds(false));
  EXPECT_THAT(index_->DeleteConfigIfUnused("c1", At(999), kBoot),
              IsOkAndHolds(false));
}

TEST_F(IndexCacheTest, DeletedTenantBlocksNoCollection) {
  PutReadyTenant();
  Reconcile();
  TenantRow tenant = TenantOf("dk", "a1", "c1");
  tenant.updated_at = At(5);
  tenant.deleted_at = At(5);
  ASSERT_OK(index_->PutTenant(tenant));

  EXPECT_FALSE(Agent("a1").is_current);
  EXPECT_EQ(Agent("a1").last_used_at, At(5));
  tenant.agent_id = "";
  tenant.config_id = "";
  EXPECT_THAT(index_->GetTenant("dk"), IsOkAndHolds(testing::Optional(tenant)));
  EXPECT_THAT(index_->DeleteAgentIfUnused("a1", At(6), kBoot),
              IsOkAndHolds(true));
  EXPECT_THAT(index_->DeleteConfigIfUnused("c1", At(6), kBoot),
              IsOkAndHolds(true));
}

TEST_F(IndexCacheTest, RecentlyUsedAgentIsNotDeleted) {
  PutReadyTenant();
  Reconcile();
  ASSERT_OK(Acquire("v1", 1));
  DropTenant();
  ASSERT_OK(index_->ReleaseLease("v1", At(100)));
  EXPECT_THAT(index_->DeleteAgentIfUnused("a1", At(100), kBoot),
              IsOkAndHolds(false));
  EXPECT_THAT(index_->DeleteAgentIfUnused("a1", At(101), kBoot),
              IsOkAndHolds(true));
}

TEST_F(IndexCacheTest, DeletingTheUnknownIsFalse) {
  Reconcile();
  EXPECT_THAT(index_->DeleteAgentIfUnused("a1", At(1), kBoot),
              IsOkAndHolds(false));
  EXPECT_THAT(index_->DeleteConfigIfUnused("c1", At(1), kBoot),
              IsOkAndHolds(false));
}

TEST_F(IndexCacheTest, NothingIsDeletedBeforeThisBootsReconcile) {
  ASSERT_OK(index_->PutAgent(AgentOf("a1", "1.0")));
  ASSERT_OK(index_->PutConfig(ConfigOf("c1")));
  EXPECT_THAT(index_->DeleteAgentIfUnused("a1", At(9), kBoot),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(index_->DeleteAgentIfUnused("a1", At(9), ""),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_OK(index_->SetReconciled("the boot before"));
  EXPECT_THAT(index_->DeleteAgentIfUnused("a1", At(9), kBoot),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(index_->DeleteConfigIfUnused("c1", At(9), kBoot),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  Reconcile();
  Reopen();
  EXPECT_THAT(index_->ReconciledBootId(), IsOkAndHolds(kBoot));
  EXPECT_THAT(index_->DeleteAgentIfUnused("a1", At(9), kBoot),
              IsOkAndHolds(true));
}

TEST_F(IndexCacheTest, ChangeCountTellsWritesOfOthersFromOwnOnes) {
  ASSERT_OK_AND_ASSIGN(const auto other, OpenAnother());
  ASSERT_OK_AND_ASSIGN(const uint64_t first, index_->ChangeCount());
  ASSERT_OK(index_->PutAgent(AgentOf("a1", "1.0")));
  EXPECT_THAT(index_->ChangeCount(), IsOkAndHolds(first));
  ASSERT_OK(other->ListAgents());
  EXPECT_THAT(index_->ChangeCount(), IsOkAndHolds(first));
  ASSERT_OK(other->PutAgent(AgentOf("a2", "1.0")));
  EXPECT_THAT(index_->ChangeCount(), IsOkAndHolds(testing::Ne(first)));
}

TEST_F(IndexCacheTest, WhatTroublesTheSourceOutlivesItsProcess) {
  EXPECT_THAT(index_->SourceTrouble(), IsOkAndHolds(""));
  ASSERT_OK(index_->SetSourceTrouble("no answer; since yesterday"));
  Reopen();
  EXPECT_THAT(index_->SourceTrouble(),
              IsOkAndHolds("no answer; since yesterday"));
  ASSERT_OK(index_->SetSourceTrouble(""));
  EXPECT_THAT(index_->SourceTrouble(), IsOkAndHolds(""));
}

}  // namespace
}  // namespace oneagent
