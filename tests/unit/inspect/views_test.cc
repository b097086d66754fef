#include "cache/inspect/views.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cache/inspect/details.h"
#include "cache/inspect/json_output.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/inspect/json_check.h"

namespace oneagent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const absl::Time kNow = absl::FromUnixSeconds(1795341600);

AgentRow SomeAgent() {
  AgentRow row;
  row.id = "3f2a91c07be4d855";
  row.kind = "zip";
  row.version = "1.301.0";
  row.arch = "x86";
  row.flavor = "multidistro";
  row.source = "https://tenant.example/e/abc12345/api/v1/agent";
  row.digest = "sha256:ab";
  row.bytes = 412'345'678'901;
  row.files = 2001;
  row.installed_at = kNow - absl::Hours(3);
  row.leases = 2;
  row.is_current = true;
  return row;
}

VolumeRow SomeVolume() {
  VolumeRow row;
  row.id = "csi-1";
  row.pod = "web";
  row.namespace_name = "shop";
  row.pod_uid = "uid-1";
  row.dynakube = "prod";
  row.target = "/var/lib/kubelet/pods/uid-1/mount";
  row.state = VolumeState::kMounted;
  row.agent_id = "3f2a91c07be4d855";
  row.since = kNow - absl::Minutes(5);
  return row;
}

TenantRow SomeTenant() {
  TenantRow row;
  row.dynakube = "prod";
  row.namespace_name = "dynatrace";
  row.tenant_uuid = "abc12345";
  row.agent_id = "3f2a91c07be4d855";
  row.version = "1.301.0";
  row.state = TenantState::kReady;
  row.updated_at = kNow;
  return row;
}

TEST(AgentJsonTest, HasThePromisedKeysAndNumbersAreNumbers) {
  const std::string json = JsonArray<v1::AgentView>({ViewOf(SomeAgent())});
  EXPECT_THAT(PrintedKeys(json),
              ElementsAre("id", "version", "source", "state", "bytes", "files",
                          "installedAt", "leases"));
  const auto value = ParseAnyJson(json);
  ASSERT_EQ(value.list_value().values_size(), 1);
  auto fields = value.list_value().values(0).struct_value().fields();
  EXPECT_EQ(fields["id"].string_value(), "3f2a91c07be4d855");
  EXPECT_EQ(fields["state"].string_value(), "ready");
  EXPECT_EQ(fields["source"].string_value(),
            "https://tenant.example/e/abc12345/api/v1/agent");
  EXPECT_EQ(fields["bytes"].number_value(), 412'345'678'901.0);
  EXPECT_EQ(fields["files"].number_value(), 2001);
  EXPECT_EQ(fields["leases"].number_value(), 2);
  EXPECT_EQ(fields["installedAt"].string_value(), "2026-11-22T07:00:00Z");
  EXPECT_THAT(json, HasSubstr("412345678901,"));
}

TEST(VolumeJsonTest, HasThePromisedKeysAndTheVersionOfTheLeasedAgent) {
  const std::string json = JsonArray<v1::VolumeView>(
      {ViewOf(SomeVolume(), {SomeAgent()}), ViewOf(VolumeRow(), {})});
  const auto value = ParseAnyJson(json);
  ASSERT_EQ(value.list_value().values_size(), 2);
  auto fields = value.list_value().values(0).struct_value().fields();
  EXPECT_EQ(fields["version"].string_value(), "1.301.0");
  EXPECT_EQ(fields["mode"].string_value(), "app");
  EXPECT_EQ(fields["state"].string_value(), "mounted");
  EXPECT_EQ(fields["attempts"].kind_case(),
            google::protobuf::Value::kNumberValue);
  EXPECT_THAT(PrintedKeys(JsonObject(ViewOf(VolumeRow(), {}))),
              ElementsAre("volumeId", "pod", "namespace", "dynakube", "mode",
                          "state", "agentId", "version", "attempts", "target",
                          "since", "reason"));
}

TEST(TenantJsonTest, HasThePromisedKeys) {
  const std::string json = JsonObject(ViewOf(SomeTenant()));
  EXPECT_THAT(PrintedKeys(json),
              ElementsAre("dynakube", "tenant", "currentAgentId", "version",
                          "state", "reason", "updatedAt", "sourceTrouble"));
  auto fields = ParseAnyJson(json).struct_value().fields();
  EXPECT_EQ(fields["tenant"].string_value(), "abc12345");
  EXPECT_EQ(fields["updatedAt"].string_value(), "2026-11-22T10:00:00Z");
}

TEST(TenantJsonTest, ADeletedDynaKubeSaysSo) {
  TenantRow row = SomeTenant();
  row.deleted_at = kNow;
  EXPECT_EQ(ViewOf(row).reason(), "DynaKube deleted at 2026-11-22T10:00:00Z");
  EXPECT_THAT(TenantsTable({row}, kNow).Format(Paint::kOff),
              HasSubstr("deleted"));
}

TEST(JsonTest, AnEmptyListIsAnEmptyArray) {
  EXPECT_EQ(JsonArray<v1::AgentView>({}), "[]\n");
}

TEST(JsonTest, BytesThatAreNoUtf8DoNotBreakTheOutput) {
  VolumeRow row = SomeVolume();
  row.reason = "bad \xff \"quoted\"\n";
  auto fields =
      ParseAnyJson(JsonObject(ViewOf(row, {}))).struct_value().fields();
  EXPECT_EQ(fields["reason"].string_value(), "bad ? \"quoted\"\n");
}

TEST(TablesTest, ShowHumanSizesAndAges) {
  EXPECT_EQ(
      AgentsTable({SomeAgent()}, kNow).Format(Paint::kOff),
      "ID                VERSION  STATE       SIZE  FILES  LEASES  CURRENT  "
      "AGE  SOURCE\n"
      "3f2a91c07be4d855  1.301.0  ready  384.0 GiB   2001       2  yes      "
      " 3h  tenant.example\n");
  EXPECT_EQ(
      VolumesTable({SomeVolume()}, {SomeAgent()}, kNow).Format(Paint::kOff),
      "VOLUME  NAMESPACE  POD  DYNAKUBE  MODE  STATE    VERSION  "
      "ATTEMPTS  AGE  REASON\n"
      "csi-1   shop       web  prod      app   mounted  1.301.0  "
      "       0   5m  -\n");
}

TEST(TablesTest, TheSourceOfAnAgentIsItsHost) {
  for (const auto& [source, shown] :
       std::vector<std::pair<std::string, std::string>>{
           {"http://127.0.0.1:80/e/x", "127.0.0.1:80"},
           {"https://host", "host"},
           {"file.zip", "file.zip"},
           {"", "-"}}) {
    AgentRow row = SomeAgent();
    row.source = source;
    EXPECT_THAT(AgentsTable({row}, kNow).Format(Paint::kOff),
                testing::EndsWith(absl::StrCat("  ", shown, "\n")));
  }
}

TEST(ByVersionTest, NumbersCountAsNumbers) {
  const std::vector<std::string> in_order = {"",
                                             "1.9.0",
                                             "1.10.0.20260101-9",
                                             "1.10.0.20260101-10",
                                             "1.10.0.20260101-10b",
                                             "1.010.1",
                                             "2",
                                             "2.0",
                                             "100000000000000000000",
                                             "200000000000000000000",
                                             "custom"};
  std::vector<AgentRow> agents;
  for (auto it = in_order.rbegin(); it != in_order.rend(); ++it) {
    AgentRow row;
    row.version = *it;
    agents.push_back(row);
  }
  std::vector<std::string> sorted;
  for (const AgentRow& row : ByVersion(agents)) sorted.push_back(row.version);
  EXPECT_EQ(sorted, in_order);
}

Rows SomeRows() {
  Rows rows;
  rows.agents = {SomeAgent()};
  ConfigRow config;
  config.id = "3f00";
  rows.configs = {config};
  rows.volumes = {SomeVolume()};
  rows.tenants = {SomeTenant()};
  return rows;
}

TEST(FindShownTest, TakesNamesBeginningsAndTypes) {
  const Rows rows = SomeRows();
  for (const char* const name :
       {"3f2a91c07be4d855", "3f2", "agent/3f2a91c07be4d855", "agent/3"}) {
    ASSERT_OK_AND_ASSIGN(const Shown shown, FindShown(rows, name));
    EXPECT_TRUE(std::holds_alternative<AgentRow>(shown)) << name;
  }
  ASSERT_OK_AND_ASSIGN(const Shown config, FindShown(rows, "3f00"));
  EXPECT_TRUE(std::holds_alternative<ConfigRow>(config));
  ASSERT_OK_AND_ASSIGN(const Shown volume, FindShown(rows, "csi-"));
  EXPECT_TRUE(std::holds_alternative<VolumeRow>(volume));
  ASSERT_OK_AND_ASSIGN(const Shown tenant, FindShown(rows, "tenant/prod"));
  EXPECT_TRUE(std::holds_alternative<TenantRow>(tenant));
}

TEST(FindShownTest, SaysWhatIsAmbiguousAndWhatIsUnknown) {
  EXPECT_THAT(FindShown(SomeRows(), "3f"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "3f: may be any of agent/3f2a91c07be4d855, "
                       "config/3f00"));
  EXPECT_THAT(FindShown(SomeRows(), "nope"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("nope: no")));
  EXPECT_THAT(FindShown(SomeRows(), ""), StatusIs(absl::StatusCode::kNotFound));
}

TEST(DetailTest, AnAgentNamesItsVolumesAndDynaKubes) {
  const std::string text = FormatFields(
      FieldsOf(DetailOf(SomeAgent(), SomeRows(), Layout("/data"))));
  EXPECT_THAT(text, HasSubstr("volumes:      csi-1\n"));
  EXPECT_THAT(text, HasSubstr("dynakubes:    prod\n"));
  EXPECT_THAT(text, HasSubstr("412345678901 (384.0 GiB)"));
  EXPECT_THAT(text, HasSubstr("current:      yes\n"));
  EXPECT_THAT(text, HasSubstr("/data/agents/3f2a91c07be4d855\n"));
}

}  // namespace
}  // namespace oneagent
