// What the simulator writes and removes, against what kubelet would.
#include "tests/support/kubelet_disk.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/durable_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/csi_client.h"
#include "tests/support/leak_check.h"
#include "tests/support/private_mounts.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kUid[] = "0f0e0d0c-1111-4222-8333-444455556666";
constexpr char kName[] = "oneagent-bin";

class KubeletDiskTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { EnterPrivateMountNamespace(); }
  KubeletDiskTest() {
    dir_.MakeDir("pods");
    MakePodDirs(dir_.path(), kUid);
    MakeKubeletDirs(target_);
    EXPECT_OK(SaveVolumeData(volume_dir_, data_));
    EXPECT_EQ(mkdir(target_.c_str(), 0755), 0);
  }
  bool Exists(const std::string& path) { return *PathExists(path); }
  std::string Path(const std::string& below_pod) const {
    return KubeletPodDir(dir_.path(), kUid) + "/" + below_pod;
  }
  // One file system, as with storage beside kubelet's directory.
  void Bind() {
    ASSERT_EQ(mount(dir_.MakeDir("storage").c_str(), target_.c_str(), nullptr,
                    MS_BIND, nullptr),
              0);
  }
  void Tmpfs() {
    ASSERT_EQ(mount("none", target_.c_str(), "tmpfs", 0, nullptr), 0);
  }
  void Unmount() { ASSERT_EQ(umount2(target_.c_str(), 0), 0); }

  LeakCheck leaks_;
  TempDir dir_;
  const VolumeData data_ = {.spec_vol_id = kName,
                            .volume_handle = "csi-1",
                            .driver_name = "csi.oneagent.dynatrace.com",
                            .node_name = "node-1",
                            .attachment_id = "csi-2"};
  const std::string volume_dir_ =
      KubeletVolumeDir(dir_.path(), {.pod_uid = kUid, .name = kName});
  const std::string target_ = volume_dir_ + "/mount";
};

TEST_F(KubeletDiskTest, IdAndTargetAreThoseOfKubelet) {
  // The digest is sha256sum's.
  EXPECT_EQ(
      KubeletVolumeId(kUid, kName),
      "csi-63c5f3365bf752d64898f1b2253eaae70ebdab07593a007e5ade464fd00aab66");
  EXPECT_EQ(target_,
            KubeletTarget(dir_.path(), {.name = "", .uid = kUid}, kName));
  EXPECT_EQ(target_, dir_.Path("pods/0f0e0d0c-1111-4222-8333-444455556666/"
                               "volumes/kubernetes.io~csi/oneagent-bin/mount"));
  struct stat info;
  ASSERT_EQ(stat(volume_dir_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0750u);
}

TEST_F(KubeletDiskTest, VolumeDataIsWrittenAsGoWritesIt) {
  EXPECT_EQ(
      ReadTestFile(volume_dir_ + "/vol_data.json"),
      R"({"attachmentID":"csi-2","driverName":"csi.oneagent.dynatrace.com",)"
      R"("nodeName":"node-1","specVolID":"oneagent-bin",)"
      R"("volumeHandle":"csi-1","volumeLifecycleMode":"Ephemeral"})"
      "\n");
  EXPECT_THAT(LoadVolumeData(volume_dir_), IsOkAndHolds(data_));
  EXPECT_THAT(ListVolumesOnDisk(dir_.path()),
              ElementsAre(KubeletVolumeKey{.pod_uid = kUid, .name = kName}));
}

TEST_F(KubeletDiskTest, EmptyCutAndMissingVolumeDataAreErrors) {
  const std::string path = volume_dir_ + "/vol_data.json";
  ASSERT_EQ(truncate(path.c_str(), 0), 0);
  EXPECT_THAT(LoadVolumeData(volume_dir_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("EOF")));
  ASSERT_OK(SaveVolumeData(volume_dir_, data_));
  ASSERT_EQ(truncate(path.c_str(), 20), 0);
  EXPECT_THAT(LoadVolumeData(volume_dir_),
              StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_EQ(unlink(path.c_str()), 0);
  EXPECT_THAT(LoadVolumeData(volume_dir_),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(KubeletDiskTest, RemovesTargetDataAndDirectoryAndNothingAbove) {
  EXPECT_OK(RemoveMountDir(target_));
  EXPECT_FALSE(Exists(volume_dir_));
  EXPECT_TRUE(Exists(Path("volumes/kubernetes.io~csi")));
  EXPECT_OK(RemoveMountDir(target_)) << "nothing is left to remove";
}

TEST_F(KubeletDiskTest, KeepsAllOfAMountedTargetAndSaysOk) {
  Bind();
  EXPECT_OK(RemoveMountDir(target_));
  EXPECT_TRUE(Exists(volume_dir_ + "/vol_data.json"));
  Unmount();
}

TEST_F(KubeletDiskTest, NeverDeletesAFileInATarget) {
  const std::string file = target_ + "/file";
  ASSERT_OK(WriteFileAtomically(file, "", 0600, Durability::kNoSync));
  EXPECT_THAT(RemoveMountDir(target_),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_TRUE(Exists(file));
}

TEST_F(KubeletDiskTest, DeviceNumbersTellFileSystemsButNotBinds) {
  Tmpfs();
  EXPECT_TRUE(HasMountedVolumes(dir_.path(), kUid));
  Unmount();
  EXPECT_FALSE(HasMountedVolumes(dir_.path(), kUid));
  Bind();
  EXPECT_FALSE(HasMountedVolumes(dir_.path(), kUid));
  Unmount();
}

TEST_F(KubeletDiskTest, OrphanGoesWithEverythingThatIsNoVolume) {
  ASSERT_EQ(unlink((volume_dir_ + "/vol_data.json").c_str()), 0);
  ASSERT_OK(WriteFileAtomically(Path("plugins/state"), "", 0600,
                                Durability::kNoSync));
  EXPECT_OK(CleanUpOrphanedPodDir(dir_.path(), kUid));
  EXPECT_THAT(ListPodsOnDisk(dir_.path()), IsEmpty());
}

TEST_F(KubeletDiskTest, OrphanWithAFileBelowVolumesStays) {
  EXPECT_THAT(CleanUpOrphanedPodDir(dir_.path(), kUid),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("vol_data.json")));
  EXPECT_TRUE(Exists(Path("etc-hosts")));
  // The target has gone: it was an empty directory.
  EXPECT_FALSE(Exists(target_));
}

TEST_F(KubeletDiskTest, OrphanWithAMountStays) {
  Bind();
  EXPECT_THAT(
      CleanUpOrphanedPodDir(dir_.path(), kUid),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("busy")));
  Unmount();
}

}  // namespace
}  // namespace oneagent
