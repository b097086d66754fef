#include "cache/inspect/measure.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/leak_check.h"
#include "tests/support/private_mounts.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

class MeasureTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { EnterPrivateMountNamespace(); }

  static int64_t Allocated(const std::string& path) {
    struct stat info;
    EXPECT_EQ(lstat(path.c_str(), &info), 0);
    return info.st_blocks * 512;
  }

  LeakCheck leak_check_;
  TempDir dir_;
};

TEST_F(MeasureTest, AMissingTreeTakesNothing) {
  const MeasuredTree tree = MeasureTree(dir_.Path("none"));
  EXPECT_EQ(tree.bytes, 0);
  EXPECT_TRUE(tree.complete);
}

TEST_F(MeasureTest, AnEmptyTreeTakesNothing) {
  EXPECT_EQ(MeasureTree(dir_.MakeDir("tree")).bytes, 0);
}

TEST_F(MeasureTest, SumsAllocatedBytesOfTheTree) {
  const std::string root = dir_.MakeDir("tree");
  const std::string sub = dir_.MakeDir("tree/sub");
  const std::string a = dir_.WriteFile("tree/a", std::string(10000, 'a'));
  const std::string b = dir_.WriteFile("tree/sub/b", std::string(50000, 'b'));
  const MeasuredTree tree = MeasureTree(root);
  EXPECT_EQ(tree.bytes, Allocated(sub) + Allocated(a) + Allocated(b));
  EXPECT_GE(tree.bytes, 60000);
  EXPECT_TRUE(tree.complete);
}

TEST_F(MeasureTest, HardLinksCountOnce) {
  const std::string file = dir_.WriteFile("tree/a", std::string(1000000, 'a'));
  ASSERT_EQ(link(file.c_str(), dir_.Path("tree/b").c_str()), 0);
  EXPECT_LT(MeasureTree(dir_.Path("tree")).bytes, 1500000);
}

TEST_F(MeasureTest, LinksThatLeadOutAreNotFollowed) {
  dir_.WriteFile("outside/big", std::string(1000000, 'a'));
  const std::string root = dir_.MakeDir("tree");
  ASSERT_EQ(symlink("../outside", dir_.Path("tree/link").c_str()), 0);
  EXPECT_LT(MeasureTree(root).bytes, 100000);
  ASSERT_EQ(symlink("tree", dir_.Path("root-link").c_str()), 0);
  EXPECT_FALSE(MeasureTree(dir_.Path("root-link")).complete);
}

TEST_F(MeasureTest, OtherFileSystemsAreNotEntered) {
  const std::string mounted = dir_.MakeDir("tree/mounted");
  ASSERT_EQ(mount("none", mounted.c_str(), "tmpfs", 0, nullptr), 0);
  dir_.WriteFile("tree/mounted/big", std::string(1000000, 'a'));
  const MeasuredTree tree = MeasureTree(dir_.Path("tree"));
  ASSERT_EQ(umount(mounted.c_str()), 0);
  EXPECT_LT(tree.bytes, 100000);
}

TEST_F(MeasureTest, ATreeDeeperThanAPathMayBeIsIncompleteNotFatal) {
  const std::string name(200, 'd');
  const std::string root = dir_.MakeDir("tree");
  char before[4096];
  ASSERT_NE(getcwd(before, sizeof(before)), nullptr);
  ASSERT_EQ(chdir(root.c_str()), 0);
  constexpr int kDepth = 30;  // 6 KB of path
  for (int i = 0; i < kDepth; ++i) {
    ASSERT_EQ(mkdir(name.c_str(), 0755), 0);
    ASSERT_EQ(chdir(name.c_str()), 0);
  }
  const MeasuredTree tree = MeasureTree(root);
  // Take it down from the inside: no path reaches its end.
  for (int i = 0; i < kDepth; ++i) {
    ASSERT_EQ(chdir(".."), 0);
    ASSERT_EQ(rmdir(name.c_str()), 0);
  }
  ASSERT_EQ(chdir(before), 0);
  EXPECT_FALSE(tree.complete);
}

}  // namespace
}  // namespace oneagent
