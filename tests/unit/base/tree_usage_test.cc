#include "base/tree_usage.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/leak_check.h"
#include "tests/support/private_mounts.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

constexpr int64_t kPlenty = 1'000'000;

class TreeUsageTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { EnterPrivateMountNamespace(); }

  int64_t Blocks(const std::string& path) {
    struct stat info;
    EXPECT_EQ(lstat(path.c_str(), &info), 0) << path;
    return int64_t{info.st_blocks} * 512;
  }

  LeakCheck leaks_;
  TempDir dir_;
};

TEST_F(TreeUsageTest, CountsBytesAndEntriesBelowTheRoot) {
  const std::string root = dir_.MakeDir("upper");
  const std::string a = dir_.WriteFile("upper/log/a", std::string(9000, 'a'));
  const std::string b = dir_.WriteFile("upper/b", std::string(100, 'b'));
  ASSERT_OK_AND_ASSIGN(const TreeUsage usage, CountTree(root, kPlenty));
  EXPECT_EQ(usage.inodes, 3);
  EXPECT_EQ(usage.bytes,
            Blocks(a) + Blocks(b) + Blocks(dir_.Path("upper/log")));
  EXPECT_TRUE(usage.complete);
}

TEST_F(TreeUsageTest, EmptyTreeIsNothing) {
  EXPECT_THAT(CountTree(dir_.MakeDir("upper"), kPlenty),
              IsOkAndHolds(TreeUsage()));
}

TEST_F(TreeUsageTest, MissingTreeIsNotFound) {
  EXPECT_THAT(CountTree(dir_.Path("none"), kPlenty),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(TreeUsageTest, FollowsNoLinkOutOfTheTree) {
  const std::string root = dir_.MakeDir("upper");
  dir_.WriteFile("outside/big", std::string(1 << 20, 'x'));
  ASSERT_EQ(symlink("../outside", dir_.Path("upper/link").c_str()), 0);
  ASSERT_EQ(symlink("/", dir_.Path("upper/root").c_str()), 0);
  ASSERT_EQ(symlink(".", dir_.Path("upper/loop").c_str()), 0);
  ASSERT_OK_AND_ASSIGN(const TreeUsage usage, CountTree(root, kPlenty));
  EXPECT_EQ(usage.inodes, 3);
  EXPECT_LT(usage.bytes, 64 << 10);
}

TEST_F(TreeUsageTest, RefusesALinkAsRoot) {
  dir_.MakeDir("real");
  ASSERT_EQ(symlink("real", dir_.Path("upper").c_str()), 0);
  EXPECT_FALSE(CountTree(dir_.Path("upper"), kPlenty).ok());
}

TEST_F(TreeUsageTest, CountsAHardLinkOnce) {
  const std::string root = dir_.MakeDir("upper");
  const std::string file = dir_.WriteFile("upper/a", std::string(9000, 'a'));
  ASSERT_EQ(link(file.c_str(), dir_.Path("upper/b").c_str()), 0);
  ASSERT_OK_AND_ASSIGN(const TreeUsage usage, CountTree(root, kPlenty));
  EXPECT_EQ(usage.bytes, Blocks(file));
}

TEST_F(TreeUsageTest, StopsAtItsLimitOfEntries) {
  const std::string root = dir_.MakeDir("upper");
  for (int i = 0; i < 20; ++i) {
    dir_.WriteFile(absl::StrCat("upper/", i), "x");
  }
  ASSERT_OK_AND_ASSIGN(const TreeUsage part, CountTree(root, 7));
  EXPECT_EQ(part.inodes, 7);
  EXPECT_FALSE(part.complete);
  ASSERT_OK_AND_ASSIGN(const TreeUsage exact, CountTree(root, 20));
  EXPECT_EQ(exact.inodes, 20);
  EXPECT_TRUE(exact.complete);
}

TEST_F(TreeUsageTest, EndlesslyDeepTreeHoldsFewDescriptors) {
  const std::string root = dir_.MakeDir("upper");
  int at = open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(mkdirat(at, "d", 0755), 0);
    const int next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(at);
    at = next;
  }
  close(at);
  ASSERT_OK_AND_ASSIGN(const TreeUsage usage, CountTree(root, kPlenty));
  EXPECT_EQ(usage.inodes, 64);
  EXPECT_FALSE(usage.complete);
}

TEST_F(TreeUsageTest, StaysInItsFileSystem) {
  const std::string root = dir_.MakeDir("upper");
  const std::string other = dir_.MakeDir("upper/other");
  ASSERT_EQ(mount("none", other.c_str(), "tmpfs", 0, "size=1m"), 0);
  dir_.WriteFile("upper/other/file", std::string(100'000, 'x'));
  const absl::StatusOr<TreeUsage> usage = CountTree(root, kPlenty);
  EXPECT_EQ(umount(other.c_str()), 0);
  EXPECT_THAT(usage, IsOkAndHolds(TreeUsage()));
}

TEST_F(TreeUsageTest, DoesNotOpenWhatWouldBlock) {
  const std::string root = dir_.MakeDir("upper");
  ASSERT_EQ(mkfifo(dir_.Path("upper/fifo").c_str(), 0666), 0);
  ASSERT_OK_AND_ASSIGN(const TreeUsage usage, CountTree(root, kPlenty));
  EXPECT_EQ(usage.inodes, 1);
}

}  // namespace
}  // namespace oneagent
