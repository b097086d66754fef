// Somebody deletes the data directory under the running mounter, as whoever
// cleans up a node does: nobody has to be told for pods to get agents again.
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "tests/e2e/node.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using ::testing::HasSubstr;

class DataDirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    node_.ApplyDynaKube({.version = kFirstAgentVersion});
    ASSERT_EQ(node_.ProvisionOnce(), 0) << node_.ProvisionerLog();
  }
  // In one step, so that nobody makes anything in what is being deleted.
  void MoveAway() {
    moved_ = absl::StrCat(data_, ".gone");
    ASSERT_EQ(rename(data_.c_str(), moved_.c_str()), 0);
  }
  void ExpectMadeAnew() {
    ASSERT_TRUE(Node::WaitUntil([this] {
      return Exists(node_.layout().MounterRecord()) &&
             Exists(node_.layout().IndexFile());
    })) << node_.MounterLog();
    EXPECT_THAT(node_.MounterLog(), HasSubstr("data directory was deleted"));
    EXPECT_TRUE(node_.WaitForReconciled());
    EXPECT_EQ(node_.ProvisionOnce(), 0) << node_.ProvisionerLog();
    EXPECT_OK(node_.Publish({.pod = "b"}));
    EXPECT_EQ(node_.RunIn("b").exit_code, 0);
    EXPECT_OK(node_.Publish({.pod = "c", .read_only = true}));
    for (const char* const pod : {"a", "b", "c"}) {
      EXPECT_OK(node_.Unpublish(pod)) << pod;
    }
  }
  static bool Exists(const std::string& path) { return *PathExists(path); }

  Node node_;
  const std::string data_ = node_.layout().data_dir();
  std::string moved_;
};

TEST_F(DataDirectoryTest, DeletedUnderTheMounterIsMadeAnew) {
  node_.StartMounter();
  ASSERT_OK(node_.Publish({.pod = "a"}));
  MoveAway();
  std::filesystem::remove_all(moved_);
  ExpectMadeAnew();
  // It is locked as the first one was.
  const ProgramResult second =
      RunProgram({absl::StrCat(ONEAGENT_BIN_DIR, "/oneagent-csi-mounter"),
                  absl::StrCat("--endpoint=", node_.socket(), ".second"),
                  absl::StrCat("--data-dir=", data_),
                  absl::StrCat("--kubelet-dir=", node_.kubelet_dir()),
                  "--node-id=node-1"});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.err, HasSubstr("another mounter works"));
}

TEST_F(DataDirectoryTest, ReplacedUnderTheMounterIsTaken) {
  node_.StartMounter();
  ASSERT_OK(node_.Publish({.pod = "a"}));
  MoveAway();
  ASSERT_TRUE(std::filesystem::create_directory(data_));
  ExpectMadeAnew();
}

TEST_F(DataDirectoryTest, OneOfItsDirectoriesComesBack) {
  node_.StartMounter();
  ASSERT_GT(std::filesystem::remove_all(node_.layout().SkeletonDir()), 0U);
  ASSERT_TRUE(
      Node::WaitUntil([this] { return Exists(node_.layout().SkeletonDir()); }));
  EXPECT_OK(node_.Publish({.pod = "a", .read_only = true}));
  EXPECT_OK(node_.Unpublish("a"));
}

// As a container sees it whose hostPath is deleted on the node: nothing can be
// made in what is mounted, but the next container finds a new one.
TEST_F(DataDirectoryTest, DeletedWhereItIsMountedFromEndsTheMounter) {
  MoveAway();
  ASSERT_TRUE(std::filesystem::create_directory(data_));
  ASSERT_EQ(mount(moved_.c_str(), data_.c_str(), nullptr, MS_BIND, nullptr), 0);
  node_.StartMounter();
  std::filesystem::remove_all(moved_);
  EXPECT_TRUE(Node::WaitUntil([this] { return !node_.mounter().IsRunning(); }));
  EXPECT_THAT(node_.MounterLog(), HasSubstr("data directory lost, ending"));
  EXPECT_EQ(umount2(data_.c_str(), MNT_DETACH), 0);
}

}  // namespace
}  // namespace oneagent
