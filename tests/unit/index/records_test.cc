#include "cache/index/records.h"

#include <sys/stat.h>

#include <string>

#include "tests/unit/index/index_fixture.h"

namespace oneagent {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class RecordsTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(layout_.Prepare(Owner::kMounter));
    ASSERT_OK(layout_.Prepare(Owner::kProvisioner));
    dir_.MakeDir("volumes/v1");
  }

  LeakCheck leaks_;
  TempDir dir_;
  const Layout layout_{dir_.path()};
};

VolumeRow FullVolume() {
  return VolumeRow{.id = "v1",
                   .pod = "p",
                   .namespace_name = "n",
                   .pod_uid = "u",
                   .dynakube = "dk",
                   .mode = VolumeMode::kHost,
                   .read_only = true,
                   .target = "/var/lib/kubelet/a b\"c",
                   .state = VolumeState::kEmpty,
                   .agent_id = "a1",
                   .config_id = "c1",
                   .host_storage = "dk.2",
                   .boot_id = "b",
                   .since = At(3) + absl::Milliseconds(7),
                   .reason = "because of ü",
                   .attempts = 3,
                   .first_failure_at = At(2)};
}

TEST_F(RecordsTest, VolumeComesBackAsItWas) {
  ASSERT_OK(WriteVolumeRecord(layout_, FullVolume()));
  EXPECT_THAT(ReadVolumeRecord(layout_, "v1"), IsOkAndHolds(FullVolume()));
  struct stat info;
  ASSERT_EQ(stat(layout_.VolumeRecord("v1").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
}

TEST_F(RecordsTest, DefaultsComeBackToo) {
  const VolumeRow row = {.id = "v1"};
  ASSERT_OK(WriteVolumeRecord(layout_, row));
  EXPECT_THAT(ReadVolumeRecord(layout_, "v1"), IsOkAndHolds(row));
}

TEST_F(RecordsTest, TimesKeepMilliseconds) {
  VolumeRow row = FullVolume();
  row.since = absl::FromUnixNanos(-1);
  row.first_failure_at = absl::FromUnixNanos(1234567890123456789);
  ASSERT_OK(WriteVolumeRecord(layout_, row));
  row.since = ToRowPrecision(row.since);
  row.first_failure_at = ToRowPrecision(row.first_failure_at);
  EXPECT_EQ(row.since, absl::FromUnixMillis(-1));
  EXPECT_THAT(ReadVolumeRecord(layout_, "v1"), IsOkAndHolds(row));
}

TEST_F(RecordsTest, BytesThatAreNoTextDoNotSpoilTheRecord) {
  struct Case {
    std::string in;
    std::string want;
  };
  const Case kCases[] = {
      {"a\xff z", "a? z"},
      {"\xc3\xbc", "\xc3\xbc"},
      {"\xf0\x9f\x98\x80!", "\xf0\x9f\x98\x80!"},
      {"cut \xc3", "cut ?"},
      {"overlong \xc0\xaf", "overlong ??"},
      {"surrogate \xed\xa0\x80", "surrogate ???"},
      {"beyond \xf4\x90\x80\x80", "beyond ????"},
      {"overlong \xe0\x80\x80", "overlong ???"},
      {"overlong \xf0\x80\x80\x80", "overlong ????"},
      {std::string("nul\0.", 5), std::string("nul\0.", 5)},
  };
  for (const Case& test : kCases) {
    VolumeRow row = FullVolume();
    row.reason = test.in;
    ASSERT_OK(WriteVolumeRecord(layout_, row));
    row.reason = test.want;
    EXPECT_THAT(ReadVolumeRecord(layout_, "v1"), IsOkAndHolds(row));
  }
}

TEST_F(RecordsTest, TenantComesBackAsItWas) {
  TenantRow row = TenantOf("dk", "a1", "c1");
  row.state = TenantState::kFailed;
  row.reason = "r";
  row.deleted_at = At(9);
  ASSERT_OK(WriteTenantRecord(layout_, row));
  EXPECT_THAT(ReadTenantRecord(layout_, "dk"), IsOkAndHolds(row));
}

TEST_F(RecordsTest, HostStorageComesBackAsItWas) {
  ASSERT_OK(WriteHostRecord(
      layout_, {.name = "dk.1", .dynakube = "dk", .tenant_uuid = "abc12345"}));
  ASSERT_OK_AND_ASSIGN(const HostStorage storage,
                       ReadHostRecord(layout_, "dk.1"));
  EXPECT_EQ(storage.name, "dk.1");
  EXPECT_EQ(storage.dynakube, "dk");
  EXPECT_EQ(storage.tenant_uuid, "abc12345");
}

TEST_F(RecordsTest, ManifestsAreReadAsRows) {
  dir_.WriteFile("agents/a1.json",
                 R"({"id": "a1", "kind": "zip", "version": "1.2", "arch": "x86",
          "flavor": "default", "source": "https://x/", "digest": "sha256:1",
          "bytes": "12345678901", "files": "2000",
          "installedAt": "2026-11-22T10:00:00.250Z",
          "tree": [{"path": "agent", "type": "DIRECTORY", "mode": 493}],
          "fromTheFuture": {"x": 1}})");
  const absl::Time installed = At(0) + absl::Milliseconds(250);
  EXPECT_THAT(ReadAgentRecord(layout_, "a1"),
              IsOkAndHolds(AgentRow{.id = "a1",
                                    .kind = "zip",
                                    .version = "1.2",
                                    .arch = "x86",
                                    .flavor = "default",
                                    .source = "https://x/",
                                    .digest = "sha256:1",
                                    .bytes = 12345678901,
                                    .files = 2000,
                                    .installed_at = installed,
                                    .last_used_at = installed}));
  dir_.WriteFile("configs/c1.json",
                 R"({"id": "c1", "dynakube": "dk", "bytes": "5", "files": "1",
                     "createdAt": "2026-11-22T10:00:00.250Z"})");
  EXPECT_THAT(ReadConfigRecord(layout_, "c1"),
              IsOkAndHolds(ConfigRow{.id = "c1",
                                     .dynakube = "dk",
                                     .bytes = 5,
                                     .files = 1,
                                     .created_at = installed,
                                     .last_used_at = installed}));
}

TEST_F(RecordsTest, MissingRecordIsNotFound) {
  EXPECT_THAT(ReadAgentRecord(layout_, "a1"),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(ReadConfigRecord(layout_, "c1"),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(ReadTenantRecord(layout_, "dk"),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(ReadVolumeRecord(layout_, "v1"),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(ReadHostRecord(layout_, "dk"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RecordsTest, WhatIsNoSuchRecordIsInvalidAndNamed) {
  const char* const kBroken[] = {
      "",
      "garbage",
      "[]",
      "null",
      "{\"id\": \"v1\"",
      "{\"id\": 7}",
      "{\"id\": \"v2\", \"mode\": \"app\", \"state\": \"mounted\"}",
      "{\"mode\": \"app\", \"state\": \"mounted\"}",
      "{\"id\": \"v1\", \"mode\": \"swamp\", \"state\": \"mounted\"}",
      "{\"id\": \"v1\", \"mode\": \"app\", \"state\": \"MOUNTED\"}",
      "{\"id\": \"v1\", \"mode\": \"app\"}",
      "{\"id\": \"v1\", \"mode\": \"app\", \"state\": \"mounted\","
      " \"agentId\": \"../../etc\"}",
      "{\"id\": \"v1\", \"mode\": \"app\", \"state\": \"mounted\","
      " \"configId\": \"..\"}",
      "{\"id\": \"v1\", \"mode\": \"host\", \"state\": \"mounted\","
      " \"hostStorage\": \"a/b\"}",
      "{\"id\": \"v1\", \"mode\": \"app\", \"state\": \"mounted\","
      " \"attempts\": \"many\"}",
  };
  for (const char* const text : kBroken) {
    dir_.WriteFile("volumes/v1/volume.json", text);
    EXPECT_THAT(ReadVolumeRecord(layout_, "v1"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("volumes/v1/volume.json: ")))
        << text;
  }
}

TEST_F(RecordsTest, RecordUnderAnotherNameIsInvalid) {
  ASSERT_OK(WriteTenantRecord(layout_, TenantOf("dk", "a1")));
  dir_.WriteFile("tenants/other.json",
                 ReadTestFile(layout_.TenantRecord("dk")));
  EXPECT_THAT(ReadTenantRecord(layout_, "other"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("tenants/other.json"),
                             HasSubstr("'dk', not of 'other'"))));
  dir_.WriteFile("agents/a2.json", "{\"id\": \"a1\"}");
  EXPECT_THAT(ReadAgentRecord(layout_, "a2"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  dir_.WriteFile("configs/c2.json", "{\"id\": \"c1\"}");
  EXPECT_THAT(ReadConfigRecord(layout_, "c2"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  dir_.WriteFile("host/dk.json", "{\"name\": \"dk.1\"}");
  EXPECT_THAT(ReadHostRecord(layout_, "dk"),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(RecordsTest, HugeFileIsNoRecord) {
  std::string text = "{\"dynakube\": \"dk\", \"state\": \"ready\"";
  text.append(size_t{2} << 20, ' ');
  dir_.WriteFile("tenants/dk.json", text + "}");
  EXPECT_THAT(ReadTenantRecord(layout_, "dk"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("tenants/dk.json"),
                             HasSubstr("larger than 1048576 bytes"))));
}

TEST_F(RecordsTest, DeeplyNestedJsonIsRefusedNotFollowed) {
  dir_.WriteFile("tenants/dk.json", std::string(200000, '['));
  EXPECT_THAT(ReadTenantRecord(layout_, "dk"),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace oneagent
