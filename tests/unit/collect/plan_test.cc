#include "cache/collect/plan.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace oneagent {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1795341600);
const absl::Time kLongAgo = kNow - absl::Hours(1);

AgentRow Agent(const std::string& id, absl::Duration installed_before) {
  return {.id = id,
          .installed_at = kNow - installed_before,
          .last_used_at = kLongAgo};
}

CollectionPlan PlanOf(std::vector<std::string> agents,
                      std::vector<std::string> configs = {},
                      std::vector<std::string> tenants = {}) {
  return {std::move(agents), std::move(configs), std::move(tenants)};
}

struct Case {
  const char* name;
  std::vector<AgentRow> agents = {};
  std::vector<ConfigRow> configs = {};
  std::vector<TenantRow> tenants = {};
  std::vector<VolumeRow> volumes = {};
  int64_t keep = 0;
  CollectionPlan want = {};
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class PlanTest : public testing::TestWithParam<Case> {};

TEST_P(PlanTest, Proposes) {
  const Case& c = GetParam();
  const CollectionPlan plan = PlanCollection(
      c.agents, c.configs, c.tenants, c.volumes,
      {.grace_period = absl::Minutes(5), .keep_versions = c.keep}, kNow);
  EXPECT_EQ(plan.agents, c.want.agents);
  EXPECT_EQ(plan.configs, c.want.configs);
  EXPECT_EQ(plan.tenants, c.want.tenants);
}

std::vector<Case> Agents() {
  std::vector<Case> cases;
  cases.push_back({.name = "Nothing"});
  cases.push_back({.name = "UnusedAgent",
                   .agents = {Agent("a", absl::Hours(1))},
                   .want = PlanOf({"a"})});
  AgentRow leased = Agent("a", absl::Hours(1));
  leased.leases = 1;
  cases.push_back({.name = "LeasedAgentByItsCount", .agents = {leased}});
  cases.push_back({.name = "LeasedAgentByAVolume",
                   .agents = {Agent("a", absl::Hours(1))},
                   .volumes = {{.id = "v", .agent_id = "a"}}});
  AgentRow current = Agent("a", absl::Hours(1));
  current.is_current = true;
  cases.push_back({.name = "CurrentAgentByItsFlag", .agents = {current}});
  cases.push_back({.name = "CurrentAgentByATenant",
                   .agents = {Agent("a", absl::Hours(1))},
                   .tenants = {{.dynakube = "dk", .agent_id = "a"}}});
  cases.push_back({.name = "AgentOfADeletedTenant",
                   .agents = {Agent("a", absl::Hours(1))},
                   .tenants = {{.dynakube = "dk",
                                .agent_id = "a",
                                .deleted_at = kNow - absl::Minutes(1)}},
                   .want = PlanOf({"a"})});
  AgentRow graced = Agent("a", absl::Hours(1));
  graced.last_used_at = kNow - absl::Minutes(5);
  cases.push_back(
      {.name = "AgentUsedExactlyAGracePeriodAgo", .agents = {graced}});
  graced.last_used_at = kNow + absl::Minutes(5);
  cases.push_back({.name = "AgentUsedALittleAheadOfNow", .agents = {graced}});
  graced.last_used_at = kNow + absl::Minutes(5) + absl::Milliseconds(1);
  cases.push_back({.name = "AgentUsedInAFutureThatIsNone",
                   .agents = {graced},
                   .want = PlanOf({"a"})});
  graced.last_used_at = kNow - absl::Minutes(5) - absl::Milliseconds(1);
  cases.push_back({.name = "AgentUsedLongerAgo",
                   .agents = {graced},
                   .want = PlanOf({"a"})});
  return cases;
}

std::vector<Case> Keeping() {
  std::vector<Case> cases;
  cases.push_back(
      {.name = "NewestUnusedIsKept",
       .agents = {Agent("old", absl::Hours(3)), Agent("new", absl::Hours(1)),
                  Agent("mid", absl::Hours(2))},
       .keep = 1,
       .want = PlanOf({"old", "mid"})});
  cases.push_back(
      {.name = "NewestTwoAreKept",
       .agents = {Agent("old", absl::Hours(3)), Agent("new", absl::Hours(1)),
                  Agent("mid", absl::Hours(2))},
       .keep = 2,
       .want = PlanOf({"old"})});
  cases.push_back({.name = "KeepingMoreThanThereAre",
                   .agents = {Agent("a", absl::Hours(3))},
                   .keep = 9});
  AgentRow leased = Agent("used", absl::Minutes(1));
  leased.leases = 2;
  cases.push_back({.name = "UsedAgentsDoNotCountAsKept",
                   .agents = {leased, Agent("new", absl::Hours(1)),
                              Agent("old", absl::Hours(2))},
                   .keep = 1,
                   .want = PlanOf({"old"})});
  AgentRow missing = Agent("missing", absl::Minutes(1));
  missing.state = TreeState::kMissing;
  cases.push_back({.name = "MissingTreesAreNotWorthKeeping",
                   .agents = {missing, Agent("old", absl::Hours(2))},
                   .keep = 1,
                   .want = PlanOf({"missing"})});
  return cases;
}

std::vector<Case> ConfigsAndTenants() {
  std::vector<Case> cases;
  const ConfigRow config = {.id = "c", .last_used_at = kLongAgo};
  cases.push_back({.name = "UnusedConfig",
                   .configs = {config},
                   .keep = 9,  // is for agents
                   .want = PlanOf({}, {"c"})});
  cases.push_back({.name = "LeasedConfig",
                   .configs = {config},
                   .volumes = {{.id = "v", .config_id = "c"}}});
  cases.push_back({.name = "CurrentConfig",
                   .configs = {config},
                   .tenants = {{.dynakube = "dk", .config_id = "c"}}});
  ConfigRow fresh = config;
  fresh.last_used_at = kNow;
  cases.push_back({.name = "FreshConfig", .configs = {fresh}});
  const TenantRow gone = {.dynakube = "dk",
                          .deleted_at = kNow - absl::Minutes(6)};
  cases.push_back({.name = "LiveTenant", .tenants = {{.dynakube = "dk"}}});
  cases.push_back({.name = "DeletedTenant",
                   .tenants = {gone},
                   .want = PlanOf({}, {}, {"dk"})});
  TenantRow just_gone = gone;
  just_gone.deleted_at = kNow - absl::Minutes(4);
  cases.push_back({.name = "JustDeletedTenant", .tenants = {just_gone}});
  cases.push_back({.name = "DeletedTenantThatAVolumeNames",
                   .tenants = {gone},
                   .volumes = {{.id = "v", .dynakube = "dk"}}});
  return cases;
}

std::string NameOf(const testing::TestParamInfo<Case>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Agents, PlanTest, testing::ValuesIn(Agents()), NameOf);
INSTANTIATE_TEST_SUITE_P(Keeping, PlanTest, testing::ValuesIn(Keeping()),
                         NameOf);
INSTANTIATE_TEST_SUITE_P(ConfigsAndTenants, PlanTest,
                         testing::ValuesIn(ConfigsAndTenants()), NameOf);

}  // namespace
}  // namespace oneagent
