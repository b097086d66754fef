// What the tenant, or the operator for it, says of its processes becomes a
// configuration layer.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/provisioner/node_fixture.h"

namespace oneagent {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

using ProcessConfigTest = NodeFixture;

TEST_F(ProcessConfigTest, ANewConfigurationIsANewLayerAndTheOldOneStays) {
  PutDynaKube("prod");
  Settle();
  const std::string old_config = Row("prod").config_id;
  const std::string old_conf = Conf("prod");

  clock_.Advance(absl::Minutes(6));
  Settle();  // nothing newer: the server says 304
  EXPECT_EQ(Row("prod").config_id, old_config);

  server_.Update([](ServedTenant& tenant) {
    tenant.revision = 2;
    tenant.properties = {{"general", "fromTenant", "changed"}};
  });
  clock_.Advance(absl::Minutes(6));
  Settle();
  EXPECT_NE(Row("prod").config_id, old_config);
  EXPECT_THAT(Conf("prod"), HasSubstr("fromTenant changed\n"));
  EXPECT_EQ(ReadTestFile(absl::StrCat(layout_.ConfigTree(old_config), "/",
                                      kProcessConfPath)),
            old_conf);
  EXPECT_EQ(Downloads(), 1);
}

TEST_F(ProcessConfigTest, TheNodeKnowsItsProxyBetterThanTheTenant) {
  server_.Update([](ServedTenant& tenant) {
    tenant.properties = {{"general", "proxy", "http://old:1"},
                         {"other", "proxy", "stays"}};
  });
  PutDynaKube("prod");
  Settle();
  EXPECT_THAT(Conf("prod"), AllOf(Not(HasSubstr("http://old")),
                                  HasSubstr("[other]\nproxy stays\n")));
}

TEST_F(ProcessConfigTest, AnOldTenantWithoutProcessConfigurationIsFine) {
  server_.Update(
      [](ServedTenant& tenant) { tenant.has_process_config = false; });
  PutDynaKube("prod");
  Settle();
  EXPECT_EQ(Row("prod").state, TenantState::kReady) << Row("prod").reason;
  EXPECT_THAT(Conf("prod"), EndsWith("tenantToken TENANTTOKENUNDERTEST\n"));
}

TEST_F(ProcessConfigTest, TheFirstAgentDoesNotWaitForItsProcessConfiguration) {
  server_.AddFault("processmoduleconfig", Fault::Status(400, "", -1));
  PutDynaKube("prod");
  Settle();
  const TenantRow row = Row("prod");
  EXPECT_EQ(row.state, TenantState::kFailed);
  EXPECT_THAT(row.reason, AllOf(HasSubstr("process module config: HTTP 400"),
                                EndsWith("; installed without it")));
  EXPECT_EQ(AgentFile("prod", "agent/version"), kOne);
  EXPECT_THAT(Conf("prod"), AllOf(HasSubstr("tenant abc12345\n"),
                                  Not(HasSubstr("fromTenant"))));
  const std::vector<ReconcileReport> reports = observer_.Reports();
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].code, absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(reports[0].installed);
  ExpectConsistent();

  // Only the first one: what pods get does not change while it is unknown.
  PutDynaKube("prod", absl::StrCat("version: ", kTwo));
  Settle();
  EXPECT_EQ(Row("prod").state, TenantState::kFailed);
  EXPECT_EQ(Row("prod").agent_id, row.agent_id);
  EXPECT_EQ(Row("prod").config_id, row.config_id);
}

TEST_F(ProcessConfigTest, TheProcessConfigurationIsCaughtUpWith) {
  server_.AddFault("processmoduleconfig",
                   Fault::Body(R"({"revision": 2, "properties": []})"));
  PutDynaKube("prod");
  Settle();
  EXPECT_EQ(Row("prod").reason,
            "process module config: empty properties; installed without it");
  clock_.Advance(absl::Seconds(16));
  Settle();
  EXPECT_EQ(Row("prod").state, TenantState::kReady) << Row("prod").reason;
  EXPECT_THAT(Conf("prod"), HasSubstr("fromTenant yes\n"));
  EXPECT_EQ(Downloads(), 1);
}

std::string ProcessConfigSecret(const std::string& value) {
  return absl::StrCat(
      "apiVersion: v1\nkind: Secret\nmetadata: {name: prod-pmc-secret}\n"
      "stringData:\n  ruxitagentproc.conf: '",
      value, "'\n");
}

TEST_F(ProcessConfigTest, TheOperatorsProcessConfigurationIsTakenUnasked) {
  const auto put = [this](const std::string& value) {
    PutManifest("pmc.yaml",
                ProcessConfigSecret(absl::StrCat(
                    R"({"revision": 5, "properties": [{"section": "general", )",
                    R"("key": "fromOperator", "value": ")", value, R"("}]})")));
  };
  put("once");
  PutDynaKube("prod");
  Settle();
  EXPECT_EQ(Row("prod").state, TenantState::kReady) << Row("prod").reason;
  EXPECT_THAT(Conf("prod"), AllOf(HasSubstr("fromOperator once\n"),
                                  HasSubstr("tenant abc12345\n"),
                                  Not(HasSubstr("fromTenant"))));
  put("twice");
  Settle();
  EXPECT_THAT(Conf("prod"), HasSubstr("fromOperator twice\n"));
  EXPECT_EQ(server_.CountRequests("processmoduleconfig"), 0);

  RemoveManifest("pmc.yaml");  // older operators have none
  Settle();
  EXPECT_THAT(Conf("prod"), HasSubstr("fromTenant yes\n"));
}

TEST_F(ProcessConfigTest, ADamagedCopyOfTheOperatorsIsNamedAndWaitedFor) {
  const std::string object =
      "Secret default/prod-pmc-secret: "
      "ruxitagentproc.conf: ";
  PutManifest("pmc.yaml", ProcessConfigSecret("{hunter2"));
  PutDynaKube("prod");
  Settle();
  EXPECT_EQ(Row("prod").state, TenantState::kWaiting);
  EXPECT_EQ(Row("prod").reason,
            absl::StrCat(object,
                         "not the JSON that was expected; installed "
                         "without it"));
  EXPECT_THAT(Conf("prod"), HasSubstr("tenant abc12345\n"));

  PutManifest("pmc.yaml", ProcessConfigSecret(R"({"revision": 1})"));
  Settle();
  EXPECT_EQ(Row("prod").reason, absl::StrCat(object, "empty properties"));
  PutManifest("pmc.yaml",
              ProcessConfigSecret(R"({"properties": [{"section": "general", )"
                                  R"("key": "a b", "value": "hunter2"}]})"));
  Settle();
  EXPECT_EQ(Row("prod").reason,
            absl::StrCat(object,
                         "no usable properties: property general.a b: "
                         "blank in the key"));
  EXPECT_THAT(observer_.Everything(), Not(HasSubstr("hunter2")));
}

}  // namespace
}  // namespace oneagent
