// doctor on a real node: real index, records, trees, mounts and sockets, each
// finding made on purpose. (diagnose_test.cc has those that are only a matter
// of judging.)
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/durable_file.h"
#include "base/trash.h"
#include "cache/index/records.h"
#include "cache/inspect/verbs.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/leak_check.h"
#include "tests/support/private_mounts.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/inspect/json_check.h"
#include "tests/unit/inspect/test_node.h"

namespace oneagent {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kAgent[] = "a100000000000000";
constexpr char kConfig[] = "c100000000000000";

class DoctorTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { EnterPrivateMountNamespace(); }
  void SetUp() override {
    node_.MakeHealthy();
    ASSERT_THAT(Findings(), IsEmpty());
  }

  // "check subject" of each finding; the exit code must fit.
  std::vector<std::string> Findings() {
    const CliResult result = node_.Run({"doctor", "-o", "json"});
    EXPECT_EQ(result.err, "");
    std::vector<std::string> findings;
    const google::protobuf::Value json = ParseAnyJson(result.out);
    for (const auto& value : json.list_value().values()) {
      auto fields = value.struct_value().fields();
      EXPECT_NE(fields["problem"].string_value(), "");
      EXPECT_NE(fields["advice"].string_value(), "");
      findings.push_back(fields["check"].string_value() + " " +
                         fields["subject"].string_value());
    }
    EXPECT_EQ(result.code, findings.empty() ? kExitFine : kExitFinding);
    return findings;
  }

  void Remove(const std::string& path) {
    ASSERT_EQ(rename(path.c_str(), node_.dir().Path("removed").c_str()), 0)
        << path;
  }

  static void SetAge(const std::string& path, absl::Duration age) {
    const timespec then = absl::ToTimespec(absl::Now() - age);
    const timespec times[2] = {then, then};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }

  LeakCheck leak_check_;
  TestNode node_;
};

TEST_F(DoctorTest, AHealthyNodeIsFine) {
  const CliResult result = node_.Run({"doctor"});
  EXPECT_EQ(result.code, kExitFine);
  EXPECT_THAT(result.out, HasSubstr("no findings"));
}

TEST_F(DoctorTest, FindingsForEyesNameTheAdvice) {
  ASSERT_EQ(chmod(node_.layout().data_dir().c_str(), 0755), 0);
  const CliResult result = node_.Run({"doctor"});
  EXPECT_EQ(result.code, kExitFinding);
  EXPECT_THAT(result.out, HasSubstr("data-dir-mode"));
  EXPECT_THAT(result.out, HasSubstr("\n    -> restart a daemon"));
  EXPECT_THAT(result.out, HasSubstr("1 finding\n"));
}

TEST_F(DoctorTest, ADataDirectoryThatIsNotThere) {
  Remove(node_.layout().data_dir());
  EXPECT_THAT(Findings(),
              ElementsAre("data-dir-missing " + node_.layout().data_dir()));
}

TEST_F(DoctorTest, AgentRowWithoutTree) {
  Remove(node_.layout().AgentTree(kAgent));
  EXPECT_THAT(
      Findings(),
      ElementsAre("agent-manifest-without-tree agents/" + std::string(kAgent),
                  "agent-without-tree agents/" + std::string(kAgent)));
}

TEST_F(DoctorTest, AgentTreeWithoutManifest) {
  node_.dir().WriteFile("data/agents/a3/agent/bin/x", "x");
  EXPECT_THAT(Findings(), ElementsAre("agent-tree-without-manifest agents/a3"));
}

TEST_F(DoctorTest, AgentManifestWithoutRow) {
  node_.AddAgent("a200000000000000", "1.300.0");
  const absl::Time later = node_.clock().Now() + absl::Hours(1);
  ASSERT_THAT(node_.index().DeleteAgentIfUnused("a200000000000000", later,
                                                node_.boot_id()),
              IsOkAndHolds(true));
  EXPECT_THAT(Findings(),
              ElementsAre("agent-without-row agents/a200000000000000"));
}

TEST_F(DoctorTest, AgentManifestThatIsNone) {
  node_.dir().WriteFile("data/agents/a100000000000000.json", "{");
  EXPECT_THAT(Findings(), ElementsAre("agent-manifest-damaged agents/" +
                                      std::string(kAgent)));
}

TEST_F(DoctorTest, ConfigTreeWithoutManifest) {
  Remove(node_.layout().ConfigManifest(kConfig));
  EXPECT_THAT(Findings(), ElementsAre("config-tree-without-manifest configs/" +
                                      std::string(kConfig)));
}

TEST_F(DoctorTest, TenantRecordAgainstRow) {
  ASSERT_OK_AND_ASSIGN(TenantRow row, ReadTenantRecord(node_.layout(), "prod"));
  row.version = "1.999.0";
  ASSERT_OK(WriteTenantRecord(node_.layout(), row));
  EXPECT_THAT(Findings(), ElementsAre("tenant-record-differs tenants/prod"));
  Remove(node_.layout().TenantRecord("prod"));
  EXPECT_THAT(Findings(), ElementsAre("tenant-without-record tenants/prod"));
}

// Its row refers to nothing then, its record to what it had.
TEST_F(DoctorTest, TenantOfADeletedDynaKube) {
  ASSERT_OK_AND_ASSIGN(TenantRow row, ReadTenantRecord(node_.layout(), "prod"));
  row.deleted_at = node_.clock().Now();
  ASSERT_OK(WriteTenantRecord(node_.layout(), row));
  ASSERT_OK(node_.index().PutTenant(row));
  EXPECT_THAT(Findings(), IsEmpty());
}

TEST_F(DoctorTest, VolumeWithoutMount) {
  node_.Unmount(node_.Target("csi-1"));
  EXPECT_THAT(Findings(), ElementsAre("volume-not-mounted volumes/csi-1"));
}

TEST_F(DoctorTest, MountWithoutRecord) {
  const std::string path = node_.dir().Path("kubelet/pods/uid-x/mount");
  node_.MountOurs(path);
  EXPECT_THAT(Findings(), ElementsAre("mount-without-record " + path));
}

TEST_F(DoctorTest, ABindOfHostStorageIsAMountOfOurs) {
  node_.dir().MakeDir("data/host/prod");
  ASSERT_OK(WriteHostRecord(
      node_.layout(), {.name = "prod", .dynakube = "prod", .tenant_uuid = ""}));
  const std::string target = node_.dir().MakeDir("kubelet/host");
  ASSERT_EQ(mount(node_.layout().HostStorage("prod").c_str(), target.c_str(),
                  nullptr, MS_BIND, nullptr),
            0);
  const std::vector<std::string> unknown = Findings();
  VolumeRow row = node_.AddVolume("csi-h", "prod");
  row.mode = VolumeMode::kHost;
  row.host_storage = "prod";
  row.target = target;
  row.agent_id = row.config_id = "";
  ASSERT_OK(node_.index().PutVolume(row));
  ASSERT_OK(WriteVolumeRecord(node_.layout(), row));
  node_.Unmount(node_.Target("csi-h"));
  const std::vector<std::string> known = Findings();
  ASSERT_EQ(umount(target.c_str()), 0);
  EXPECT_THAT(unknown, ElementsAre("mount-without-record " + target));
  EXPECT_THAT(known, IsEmpty());
}

TEST_F(DoctorTest, AVolumeMountedTwice) {
  node_.MountOurs(node_.Target("csi-1"));
  EXPECT_THAT(Findings(), ElementsAre("volume-stacked volumes/csi-1"));
}

TEST_F(DoctorTest, AMountBelowAVolume) {
  const std::string below =
      node_.dir().MakeDir("kubelet/pods/uid-csi-1/mount/agent/conf");
  ASSERT_EQ(mount("somebody", below.c_str(), "tmpfs", 0, nullptr), 0);
  const std::vector<std::string> found = Findings();
  ASSERT_EQ(umount(below.c_str()), 0);
  EXPECT_THAT(found, ElementsAre("mount-below-volume volumes/csi-1"));
}

TEST_F(DoctorTest, VolumeRecordsAgainstRows) {
  ASSERT_OK(node_.index().ReleaseLease("csi-1", node_.clock().Now()));
  EXPECT_THAT(Findings(), ElementsAre("volume-without-row volumes/csi-1"));
  node_.dir().WriteFile("data/volumes/csi-1/volume.json", "[]");
  EXPECT_THAT(Findings(), Contains("volume-record-damaged volumes/csi-1"));
}

TEST_F(DoctorTest, AVolumeOfAnEarlierBoot) {
  ASSERT_OK_AND_ASSIGN(std::optional<VolumeRow> row,
                       node_.index().GetVolume("csi-1"));
  row->boot_id = "an-earlier-boot";
  ASSERT_OK(node_.index().PutVolume(*row));
  ASSERT_OK(WriteVolumeRecord(node_.layout(), *row));
  EXPECT_THAT(Findings(), ElementsAre("volume-of-earlier-boot volumes/csi-1"));
}

TEST_F(DoctorTest, TargetsBelowALinkAreFound) {
  ASSERT_EQ(symlink("kubelet", node_.dir().Path("link").c_str()), 0);
  ASSERT_OK_AND_ASSIGN(std::optional<VolumeRow> row,
                       node_.index().GetVolume("csi-1"));
  row->target = node_.dir().Path("link/pods/uid-csi-1/mount");
  ASSERT_OK(node_.index().PutVolume(*row));
  ASSERT_OK(WriteVolumeRecord(node_.layout(), *row));
  EXPECT_THAT(Findings(), IsEmpty());
}

TEST_F(DoctorTest, LeftoversInStagingAndTrash) {
  SetAge(node_.dir().WriteFile("data/staging/old/x", "x"), absl::Hours(2));
  SetAge(node_.dir().Path("data/staging/old"), absl::Hours(2));
  SetAge(node_.dir().WriteFile("data/staging/a.part", "x"), absl::Hours(2));
  // Of an earlier boot, whose clock ran for longer.
  node_.dir().MakeDir("data/trash/agents/a-9000000000000000");
  node_.dir().MakeDir("data/trash/volumes/v-9000000000000000");
  node_.dir().MakeDir("data/fresh");
  ASSERT_OK(MoveToTrash(node_.dir().Path("data/fresh"),
                        node_.layout().TrashVolumes()));
  const std::string data = node_.layout().data_dir();
  // An hour after the boot its daemons have not deleted it, after less they
  // have not come to it.
  EXPECT_THAT(Findings(),
              ElementsAre("staging-leftover " + data + "/staging/old"));
  node_.clock().Advance(absl::Minutes(1));
  EXPECT_THAT(
      Findings(),
      ElementsAre(
          "staging-leftover " + data + "/staging/old",
          "trash-leftover " + data + "/trash/agents/a-9000000000000000",
          "trash-leftover " + data + "/trash/volumes/v-9000000000000000"));
}

TEST_F(DoctorTest, DamagedIndexFilesThatWereSetAside) {
  const std::string path =
      node_.dir().WriteFile("data/index.db.damaged-1795341600", "x");
  EXPECT_THAT(Findings(), ElementsAre("index-set-aside " + path));
}

TEST_F(DoctorTest, AMissingADamagedAndAnUnreconciledIndex) {
  const std::string file = node_.layout().IndexFile();
  ASSERT_OK(node_.index().SetReconciled("an-earlier-boot"));
  EXPECT_THAT(Findings(), ElementsAre("index-not-reconciled " + file));
  node_.CloseIndex();
  node_.dir().WriteFile("data/index.db", std::string(8192, 'x'));
  EXPECT_THAT(Findings(), ElementsAre("index-damaged " + file));
  ASSERT_EQ(unlink(file.c_str()), 0);
  EXPECT_THAT(Findings(), ElementsAre("index-missing " + file));
}

TEST_F(DoctorTest, ADataDirectoryThatIsVisibleTwice) {
  const std::string other = node_.dir().MakeDir("other");
  ASSERT_EQ(mount(node_.layout().data_dir().c_str(), other.c_str(), nullptr,
                  MS_BIND, nullptr),
            0);
  const std::vector<std::string> findings = Findings();
  ASSERT_EQ(umount(other.c_str()), 0);
  EXPECT_THAT(findings, ElementsAre("data-dir-seen-twice " + other));
}

TEST_F(DoctorTest, AMountInsideTheDataDirectory) {
  const std::string inside = node_.layout().AgentTree(kAgent) + "/agent";
  ASSERT_EQ(mount("none", inside.c_str(), "tmpfs", 0, nullptr), 0);
  const std::vector<std::string> findings = Findings();
  ASSERT_EQ(umount(inside.c_str()), 0);
  EXPECT_THAT(findings, ElementsAre("mount-in-data-dir " + inside));
}

TEST_F(DoctorTest, ASocketThatIsDeadForeignMissingOrOpenToOthers) {
  const std::string path = node_.socket_path();
  ASSERT_EQ(chmod(path.c_str(), 0666), 0);
  EXPECT_THAT(Findings(), ElementsAre("socket-mode " + path));
  ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  node_.StopListening();
  EXPECT_THAT(Findings(), ElementsAre("socket-dead " + path));
  ASSERT_EQ(unlink(path.c_str()), 0);
  EXPECT_THAT(Findings(), ElementsAre("socket-missing " + path));
  node_.dir().WriteFile("csi.sock", "");
  EXPECT_THAT(Findings(), ElementsAre("socket-foreign " + path));
}

TEST_F(DoctorTest, ChangesNothing) {
  const auto stamp = [&](const std::string& path) {
    struct stat info;
    EXPECT_EQ(stat(path.c_str(), &info), 0);
    return absl::TimeFromTimespec(info.st_ctim);
  };
  const std::vector<std::string> paths = {
      node_.layout().data_dir(), node_.layout().AgentsDir(),
      node_.layout().AgentTree(kAgent), node_.layout().VolumeRecord("csi-1"),
      node_.layout().IndexFile()};
  std::vector<absl::Time> before;
  for (const std::string& path : paths) before.push_back(stamp(path));
  EXPECT_THAT(Findings(), IsEmpty());
  for (size_t i = 0; i < paths.size(); ++i) {
    EXPECT_EQ(stamp(paths[i]), before[i]) << paths[i];
  }
}

}  // namespace
}  // namespace oneagent
