// What a DynaKube leads to on the node.
#include <atomic>
#include <functional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/durable_file.h"
#include "base/failpoint.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/provisioner/node_fixture.h"

namespace oneagent {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

using ReconcileTest = NodeFixture;

std::string Version(const char* version) {
  return absl::StrCat("version: ", version);
}

TEST_F(ReconcileTest, FirstInstallWithoutAnyOperator) {
  // The tenant is who it says it is, not what its address looks like.
  server_.Update(
      [](ServedTenant& tenant) { tenant.tenant_uuid = "tenant-uuid"; });
  PutDynaKube("prod");
  Settle();

  const TenantRow row = Row("prod");
  EXPECT_EQ(row.state, TenantState::kReady) << row.reason;
  EXPECT_EQ(row.reason, "");
  EXPECT_EQ(row.namespace_name, "default");
  EXPECT_EQ(row.tenant_uuid, "tenant-uuid");
  EXPECT_EQ(row.version, kOne);
  EXPECT_EQ(AgentFile("prod", "agent/version"), kOne);
  EXPECT_EQ(Conf("prod"),
            "[general]\nlogLevel info\ntenant tenant-uuid\nfromTenant yes\n"
            "serverAddress {https://tenant.example.test:443}\n"
            "tenantToken TENANTTOKENUNDERTEST\n");
  const std::vector<ReconcileReport> reports = observer_.Reports();
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_TRUE(reports[0].installed);
  EXPECT_EQ(reports[0].code, absl::StatusCode::kOk);
  EXPECT_TRUE(reports[0].row == row);
  ExpectConsistent();
}

TEST_F(ReconcileTest, WhatTheOperatorWroteIsNotAskedFor) {
  PutDynaKube("prod", "",
              absl::StrCat(R"(status:
  codeModules: {version: )",
                           kTwo, R"(}
  oneAgent: {connectionInfoStatus: {tenantUUID: fromstatus, endpoints: 'https://a,https://b'}}
---
{apiVersion: v1, kind: Secret, metadata: {name: prod-oneagent-tenant-secret}, stringData: {tenant-token: FROMSECRET}}
)"));
  Settle();
  EXPECT_EQ(Row("prod").state, TenantState::kReady) << Row("prod").reason;
  EXPECT_EQ(Row("prod").tenant_uuid, "fromstatus");
  EXPECT_EQ(AgentFile("prod", "agent/version"), kTwo);
  EXPECT_THAT(Conf("prod"), AllOf(HasSubstr("tenant fromstatus\n"),
                                  HasSubstr("tenantToken FROMSECRET\n"),
                                  HasSubstr("{https://a,https://b}\n")));
  EXPECT_EQ(server_.CountRequests("connectioninfo"), 0);
  EXPECT_EQ(server_.CountRequests("metainfo"), 0);
}

TEST_F(ReconcileTest, ATokenOfAnotherTenantIsNotUsed) {
  PutDynaKube("prod", "",
              "status: {oneAgent: {connectionInfoStatus: {tenantUUID: "
              "mine}}}\n");
  Settle();
  EXPECT_EQ(Row("prod").state, TenantState::kWaiting);
  EXPECT_EQ(Row("prod").reason,
            "tenant: status says mine, connectioninfo says abc12345");
  EXPECT_EQ(Downloads(), 0);
}

TEST_F(ReconcileTest, AnUnknownTenantWaitsWithTheCauseNamed) {
  server_.Update(
      [](ServedTenant& tenant) { tenant.network_zones = {"known"}; });
  PutDynaKube("prod", "", "  networkZone: other\n");
  Settle();
  EXPECT_EQ(Row("prod").state, TenantState::kWaiting);
  EXPECT_EQ(Row("prod").reason,
            "tenant: neither status and tenant secret nor connectioninfo has a "
            "tenantUUID");
}

TEST_F(ReconcileTest, ASecondDynaKubeOfTheVersionDownloadsNothing) {
  PutDynaKube("one");
  Settle();
  PutDynaKube("two");
  Settle();
  EXPECT_EQ(Row("two").state, TenantState::kReady);
  EXPECT_EQ(Row("two").agent_id, Row("one").agent_id);
  EXPECT_EQ(Downloads(), 1);
}

TEST_F(ReconcileTest, DynaKubesThatComeTogetherShareOneDownload) {
  for (const char* name : {"a", "b", "c", "d", "e"}) PutDynaKube(name);
  Settle();
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    EXPECT_EQ(Row(name).state, TenantState::kReady) << Row(name).reason;
  }
  EXPECT_EQ(Downloads(), 1);
  ExpectConsistent();
}

// It looked before the other had committed, and began after.
TEST_F(ReconcileTest, WhoComesLateToADownloadFindsItsAgent) {
  std::atomic<int> comers = 0;
  ArmFailpoint("flight:begun", [&] {
    const bool is_first = comers++ == 0;
    const absl::Time end = absl::Now() + absl::Seconds(20);
    while (absl::Now() < end) {
      if (is_first && comers == 2) return;
      const auto names = ListDirectory(layout_.AgentsDir());
      if (names.ok() && names->size() == 2) break;  // tree and manifest
      std::this_thread::yield();
    }
  });
  PutDynaKube("a", Version(kOne));
  PutDynaKube("b", Version(kOne));
  Settle();
  DisarmFailpoints();
  EXPECT_EQ(comers, 2);
  EXPECT_EQ(Row("a").state, TenantState::kReady) << Row("a").reason;
  EXPECT_EQ(Row("b").state, TenantState::kReady) << Row("b").reason;
  EXPECT_EQ(Downloads(), 1);
}

TEST_F(ReconcileTest, AWrongTokenOfOneDoesNotHarmTheOtherOfThatVersion) {
  PutDynaKube("b", Version(kOne));
  PutManifest("a-secret.yaml",
              "apiVersion: v1\nkind: Secret\nmetadata: {name: wrong}\n"
              "stringData: {apiToken: wrong}\n");
  PutDynaKube("a", Version(kOne), "  tokens: wrong\n");
  Settle();
  EXPECT_EQ(Row("a").state, TenantState::kFailed);
  EXPECT_EQ(Row("b").state, TenantState::kReady) << Row("b").reason;
}

TEST_F(ReconcileTest, ASwitchKeepsTheOldAgentUntilTheNewOneIsThere) {
  PutDynaKube("prod", Version(kOne));
  Settle();
  const std::string old_agent = Row("prod").agent_id;
  std::string during;
  server_.SetHook([&](const SeenRequest& request) {
    if (request.path.find(kTwo) == std::string::npos) return;
    const TenantRow row = Row("prod");
    EXPECT_EQ(row.agent_id, old_agent);
    EXPECT_EQ(row.version, kTwo);
    during = absl::StrCat(Name(row.state), " ", row.reason);
  });
  PutDynaKube("prod", Version(kTwo));
  Settle();
  EXPECT_EQ(during, absl::StrCat("waiting agent ", kTwo, ": being installed"));
  EXPECT_EQ(Row("prod").state, TenantState::kReady);
  EXPECT_NE(Row("prod").agent_id, old_agent);
  EXPECT_EQ(AgentFile("prod", "agent/version"), kTwo);
  EXPECT_TRUE(IsOnDisk(old_agent));
}

struct FailureCase {
  std::string name;
  std::function<void(TenantApiServer&)> arrange;
  std::string version;
  std::string reason;
};
void PrintTo(const FailureCase& c, std::ostream* out) { *out << c.name; }

class FailureTest : public NodeFixture,
                    public testing::WithParamInterface<FailureCase> {};

// Each failure: named, nothing left behind, what pods get stays, and it is
// over when its cause is.
TEST_P(FailureTest, KeepsWhatPodsGetAndSaysWhy) {
  PutDynaKube("prod", Version(kOne));
  Settle();
  const TenantRow before = Row("prod");
  ASSERT_EQ(before.state, TenantState::kReady);

  GetParam().arrange(server_);
  PutDynaKube("prod", absl::StrCat("version: ", GetParam().version));
  Settle();
  const TenantRow row = Row("prod");
  EXPECT_EQ(row.state, TenantState::kFailed);
  EXPECT_THAT(row.reason, HasSubstr(GetParam().reason));
  EXPECT_THAT(row.reason, Not(HasSubstr("SECRETPART")));
  EXPECT_EQ(row.agent_id, before.agent_id);
  EXPECT_EQ(row.config_id, before.config_id);
  ExpectConsistent();

  PutDynaKube("prod", Version(kOne));
  server_.Update([](ServedTenant& tenant) { tenant.token = kTenantApiToken; });
  clock_.Advance(Refusals::kPause);
  Settle();
  EXPECT_EQ(Row("prod").state, TenantState::kReady) << Row("prod").reason;
}

void ChangeToken(TenantApiServer& server) {
  server.Update([](ServedTenant& tenant) { tenant.token = "another"; });
}
void CutArchive(TenantApiServer& server) {
  server.Update([](ServedTenant& tenant) {
    std::string& zip = tenant.agents[kTwo].bytes;
    zip.resize(zip.size() / 2);
  });
}
void MakeHostileArchive(TenantApiServer& server) {
  server.Update([](ServedTenant& tenant) {
    tenant.agents[kTwo].bytes =
        ArchiveBuilder().File("../../evil", "x").Build(ArchiveFormat::kZip);
  });
}
void RepeatToken(TenantApiServer& server) {
  const std::string body =
      absl::StrCat(R"({"error":{"code":403,"message":"bad token )",
                   kTenantApiToken, R"("}})");
  server.AddFault(kTwo, Fault::Body(body, 403));
}

void WipeProperties(TenantApiServer& server) {
  server.AddFault("processmoduleconfig",
                  Fault::Body(R"({"revision": 2, "properties": []})"));
}

std::vector<FailureCase> FailureCases() {
  return {{"WrongToken", ChangeToken, kTwo, "401"},
          {"UnknownVersion", [](TenantApiServer&) {}, "1.999.0.1-1", kOne},
          {"BrokenZip", CutArchive, kTwo, "archive"},
          {"HostileZip", MakeHostileArchive, kTwo, "evil"},
          {"EmptyProperties", WipeProperties, kTwo,
           "process module config: empty properties"},
          {"TokenRepeatedByTheServer", RepeatToken, kTwo, "bad token (token)"}};
}

INSTANTIATE_TEST_SUITE_P(Failures, FailureTest,
                         testing::ValuesIn(FailureCases()),
                         [](const auto& test) { return test.param.name; });

TEST_F(ReconcileTest, AThrottlingTenantIsWaitedForAndSaysUntilWhen) {
  server_.AddFault("", Fault::Status(429, "1800", /*times=*/-1));
  PutDynaKube("prod");
  Settle();
  EXPECT_EQ(Row("prod").state, TenantState::kWaiting);
  EXPECT_THAT(Row("prod").reason,
              AllOf(testing::StartsWith("throttled until "),
                    HasSubstr("connection info: HTTP 429")));
  const std::vector<ReconcileReport> reports = observer_.Reports();
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_GE(reports[0].pause, absl::Minutes(30));
  EXPECT_LE(reports[0].pause, absl::Minutes(33));
}

TEST_F(ReconcileTest, ASilentTenantIsSeenToBeWaitedFor) {
  std::atomic<bool> is_seen = false;
  server_.SetHook([&](const SeenRequest&) {
    if (is_seen) return;
    const TenantRow row = Row("prod");
    EXPECT_EQ(row.state, TenantState::kWaiting);
    EXPECT_THAT(row.reason, HasSubstr("connecting to http://127.0.0.1"));
    is_seen = true;
  });
  PutDynaKube("prod");
  Settle();
  EXPECT_TRUE(is_seen);
  EXPECT_EQ(Row("prod").reason, "");
  server_.SetHook(nullptr);
}

TEST_F(ReconcileTest, TheOtherTokenIsTriedOnceAndThatIsSaid) {
  PutManifest(
      "prod.yaml",
      absl::StrCat("apiVersion: dynatrace.com/v1beta6\nkind: DynaKube\n"
                   "metadata: {name: prod}\nspec:\n  apiUrl: ",
                   server_.api_url(),
                   "\n  oneAgent: {cloudNativeFullStack: {}}\n---\n"
                   "apiVersion: v1\nkind: Secret\nmetadata: {name: prod}\n"
                   "stringData: {apiToken: refused, paasToken: ",
                   kTenantApiToken, "}\n"));
  Settle();
  EXPECT_EQ(Row("prod").state, TenantState::kReady);
  EXPECT_EQ(
      Row("prod").reason,
      "the tenant refuses apiToken, paasToken of the same Secret is used");
  const auto refused = [this] {
    int count = 0;
    for (const SeenRequest& request : server_.Requests()) {
      count += request.Header("authorization") == "Api-Token refused" ? 1 : 0;
    }
    return count;
  };
  EXPECT_EQ(refused(), 1);
  clock_.Advance(absl::Minutes(5));
  Settle();
  EXPECT_EQ(refused(), 1);
}

TEST_F(ReconcileTest, AZoneWithoutEndpointsInstallsWithoutAServerAddress) {
  server_.Update([](ServedTenant& tenant) { tenant.endpoints.clear(); });
  PutDynaKube("prod");
  Settle();
  EXPECT_EQ(Row("prod").state, TenantState::kReady);
  EXPECT_THAT(Row("prod").reason, HasSubstr("no communication endpoints"));
  EXPECT_THAT(Conf("prod"), AllOf(HasSubstr("tenant abc12345\n"),
                                  Not(HasSubstr("serverAddress"))));
}

TEST_F(ReconcileTest, AnOddPropertyIsNamedAndTheOthersAreApplied) {
  server_.Update([](ServedTenant& tenant) {
    tenant.properties = {{"general", "good", "yes"}, {"", "odd", "x"}};
  });
  PutDynaKube("prod");
  Settle();
  EXPECT_EQ(Row("prod").state, TenantState::kReady);
  EXPECT_EQ(Row("prod").reason,
            "process module config: left out: property .odd: empty section");
  EXPECT_THAT(Conf("prod"), HasSubstr("good yes\n"));
}

TEST_F(ReconcileTest, AnAgentThatCannotBeCommittedIsNotSaidToBeInstalled) {
  server_.Update([](ServedTenant& tenant) {
    std::string& zip = tenant.agents[kOne].bytes;
    zip.resize(zip.size() / 2);
  });
  PutDynaKube("prod");
  Settle();
  const std::vector<ReconcileReport> reports = observer_.Reports();
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].row.state, TenantState::kFailed);
  EXPECT_FALSE(reports[0].installed);
}

TEST_F(ReconcileTest, AZipWithoutDirectoryEntriesInstalls) {
  server_.Update([](ServedTenant& tenant) {
    tenant.agents[kTwo].bytes =
        ArchiveBuilder()
            .File("agent/lib64/liboneagentproc.so", "elf", 0755)
            .File("agent/version", kTwo)
            .Build(ArchiveFormat::kZip);
  });
  PutDynaKube("prod", Version(kTwo));
  Settle();
  EXPECT_EQ(Row("prod").state, TenantState::kReady) << Row("prod").reason;
  EXPECT_EQ(AgentFile("prod", "agent/version"), kTwo);
  // An agent without a configuration of its own gets the tenant's alone.
  EXPECT_THAT(Conf("prod"), HasSubstr("tenant abc12345\n"));
}

TEST_F(ReconcileTest, AnApiThatIsAwayKeepsTheOldAndCatchesUp) {
  PutDynaKube("prod");
  Settle();
  const TenantRow before = Row("prod");
  server_.AddFault("/", Fault::Status(503, "", /*times=*/-1));
  clock_.Advance(absl::Minutes(6));
  Settle();
  EXPECT_EQ(Row("prod").state, TenantState::kFailed);
  EXPECT_EQ(Row("prod").agent_id, before.agent_id);
  EXPECT_EQ(Row("prod").config_id, before.config_id);
  Reopen();  // a restart forgets nothing of it
  Settle();
  EXPECT_EQ(Row("prod").agent_id, before.agent_id);
}

TEST_F(ReconcileTest, AnImageWithoutAVersionIsNotSupportedYet) {
  PutDynaKube("prod", "codeModulesImage: registry.example/agent:1");
  Settle();
  EXPECT_EQ(Row("prod").state, TenantState::kFailed);
  EXPECT_EQ(Row("prod").reason,
            "codeModulesImage registry.example/agent:1: is not supported yet");
  PutDynaKube("prod", absl::StrCat("codeModulesImage: x, version: ", kTwo));
  Settle();
  EXPECT_EQ(Row("prod").state, TenantState::kReady);
}

TEST_F(ReconcileTest, HostMonitoringHasATenantButNoAgent) {
  PutManifest(
      "h.yaml",
      absl::StrCat("apiVersion: dynatrace.com/v1beta6\nkind: DynaKube\n"
                   "metadata: {name: host}\nspec:\n  apiUrl: ",
                   server_.api_url(), "\n  oneAgent: {hostMonitoring: {}}\n"));
  Settle();
  EXPECT_EQ(Row("host").state, TenantState::kReady);
  EXPECT_EQ(Row("host").agent_id, "");
  EXPECT_EQ(server_.Requests().size(), 0u);
}

TEST_F(ReconcileTest, ADynaKubeWithoutItsSecretWaitsForIt) {
  PutDynaKube("prod", "", "  tokens: later\n");
  Settle();
  EXPECT_EQ(Row("prod").state, TenantState::kWaiting);
  EXPECT_EQ(Row("prod").reason, "Secret default/later: not found (tokens)");
  PutManifest("later.yaml",
              absl::StrCat("apiVersion: v1\nkind: Secret\n"
                           "metadata: {name: later}\nstringData: {paasToken: ",
                           kTenantApiToken, "}\n"));
  Settle();
  EXPECT_EQ(Row("prod").state, TenantState::kReady) << Row("prod").reason;
}

TEST_F(ReconcileTest, AnAgentWhoseTreeIsGoneComesBack) {
  PutDynaKube("prod");
  Settle();
  const std::string id = Row("prod").agent_id;
  ASSERT_EQ(rename(layout_.AgentTree(id).c_str(), dir_.Path("gone").c_str()),
            0);
  clock_.Advance(absl::Minutes(6));
  Settle();
  EXPECT_EQ(Row("prod").state, TenantState::kReady) << Row("prod").reason;
  EXPECT_TRUE(IsOnDisk(id));
  EXPECT_EQ(Downloads(), 2);
  ExpectConsistent();
}

TEST_F(ReconcileTest, NothingSecretIsEverSaid) {
  server_.AddFault("/metainfo", Fault::Status(500, "", 5));
  PutDynaKube("prod", "",
              "  proxy: {value: 'http://user:hunter2@127.0.0.1:1'}\n");
  PutDynaKube("other");
  Settle();
  server_.Update([](ServedTenant& tenant) { tenant.token = "another"; });
  clock_.Advance(absl::Minutes(10));
  Settle();
  const std::string all = observer_.Everything();
  EXPECT_THAT(all, HasSubstr("failed"));
  for (const char* secret : {"SECRETPART", "TENANTTOKENUNDERTEST", "hunter2"}) {
    EXPECT_THAT(all, Not(HasSubstr(secret)));
  }
}

TEST_F(ReconcileTest, TheAttemptLimitOfTheAnnotationGoesIntoTheRow) {
  PutDynaKube("prod");
  PutManifest(
      "limited.yaml",
      absl::StrCat("apiVersion: dynatrace.com/v1beta6\nkind: DynaKube\n"
                   "metadata: {name: limited, annotations: "
                   "{feature.dynatrace.com/max-csi-mount-attempts: '2'}}\n"
                   "spec:\n  oneAgent: {cloudNativeFullStack: {}}\n"));
  Settle();
  EXPECT_EQ(Row("prod").max_attempts, 0);
  // Also while the DynaKube is not usable otherwise.
  EXPECT_EQ(Row("limited").state, TenantState::kWaiting);
  EXPECT_EQ(Row("limited").max_attempts, 2);
}

}  // namespace
}  // namespace oneagent
