#include "base/trash.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/unique_fd.h"
#include "tests/support/leak_check.h"
#include "tests/support/private_mounts.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

class TrashTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { EnterPrivateMountNamespace(); }
  void SetUp() override { trash_ = dir_.MakeDir("trash"); }
  absl::StatusOr<TrashResult> Empty() {
    return EmptyTrash(trash_, absl::ZeroDuration());
  }

  LeakCheck leaks_;
  TempDir dir_;
  std::string trash_;
};

TEST_F(TrashTest, MovedTreeIsGoneAtOnceAndDeletedLater) {
  dir_.WriteFile("tree/a/b", std::string(10000, 'x'));
  ASSERT_OK(MoveToTrash(dir_.Path("tree"), trash_));
  EXPECT_THAT(PathExists(dir_.Path("tree")), IsOkAndHolds(false));
  ASSERT_OK_AND_ASSIGN(const TrashResult result, Empty());
  EXPECT_EQ(result.trees, 1);
  EXPECT_GE(result.bytes, 10000);
  EXPECT_THAT(ListDirectory(trash_), IsOkAndHolds(testing::IsEmpty()));
}

TEST_F(TrashTest, ManyTreesOfOneNameFindPlace) {
  for (int i = 0; i < 3; ++i) {
    dir_.MakeDir("tree");
    ASSERT_OK(MoveToTrash(dir_.Path("tree"), trash_));
  }
  EXPECT_THAT(ListDirectory(trash_),
              IsOkAndHolds(AllOf(testing::SizeIs(3),
                                 testing::Each(testing::StartsWith("tree-")))));
}

TEST_F(TrashTest, MovingWhatIsNotThereIsFine) {
  EXPECT_OK(MoveToTrash(dir_.Path("none"), trash_));
  EXPECT_THAT(MoveToTrash(dir_.MakeDir("tree"), dir_.Path("no-trash")),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(TrashTest, AgeCountsFromTheMove) {
  const std::string tree = dir_.MakeDir("tree");
  const struct timespec old[2] = {{1000, 0}, {1000, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, tree.c_str(), old, 0), 0);
  ASSERT_OK(MoveToTrash(tree, trash_));
  ASSERT_OK_AND_ASSIGN(const TrashResult result,
                       EmptyTrash(trash_, absl::Minutes(1)));
  EXPECT_EQ(result.trees, 0);
  EXPECT_THAT(ListDirectory(trash_), IsOkAndHolds(testing::SizeIs(1)));
}

// The clock was ahead when it was moved, and was set right.
TEST_F(TrashTest, ATimeInTheFutureKeepsNothing) {
  const std::string tree = dir_.MakeDir("tree");
  const struct timespec ahead[2] = {{4'000'000'000, 0}, {4'000'000'000, 0}};
  ASSERT_OK(MoveToTrash(tree, trash_));
  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> names,
                       ListDirectory(trash_));
  ASSERT_EQ(utimensat(AT_FDCWD, absl::StrCat(trash_, "/", names[0]).c_str(),
                      ahead, 0),
            0);
  while (TrashAge(names[0]) < absl::Milliseconds(2)) std::this_thread::yield();
  ASSERT_OK_AND_ASSIGN(const TrashResult result,
                       EmptyTrash(trash_, absl::Milliseconds(1)));
  EXPECT_EQ(result.trees, 1);
}

TEST_F(TrashTest, WhatIsOfAnotherBootIsOld) {
  for (const char* const name : {"v-9000000000000000", "v", "v-", "v-x"}) {
    EXPECT_EQ(TrashAge(name), absl::InfiniteDuration()) << name;
    dir_.MakeDir(absl::StrCat("trash/", name));
  }
  ASSERT_OK_AND_ASSIGN(const TrashResult result,
                       EmptyTrash(trash_, absl::Hours(24 * 365)));
  EXPECT_EQ(result.trees, 4);
}

TEST_F(TrashTest, LinksAreDeletedNotFollowed) {
  dir_.WriteFile("precious/file", "keep");
  const std::string tree = dir_.MakeDir("tree");
  ASSERT_EQ(symlink(dir_.Path("precious").c_str(),
                    dir_.Path("tree/dir-link").c_str()),
            0);
  ASSERT_EQ(symlink(dir_.Path("precious/file").c_str(),
                    dir_.Path("tree/file-link").c_str()),
            0);
  ASSERT_OK(MoveToTrash(tree, trash_));
  ASSERT_OK(Empty().status());
  EXPECT_THAT(ListDirectory(trash_), IsOkAndHolds(testing::IsEmpty()));
  EXPECT_EQ(ReadTestFile(dir_.Path("precious/file")), "keep");
}

TEST_F(TrashTest, DirectoriesWithoutPermissionsGoToo) {
  dir_.WriteFile("tree/locked/inner/file", "");
  ASSERT_EQ(chmod(dir_.Path("tree/locked/inner").c_str(), 0), 0);
  ASSERT_EQ(chmod(dir_.Path("tree/locked").c_str(), 0), 0);
  EXPECT_OK(DeleteTree(dir_.Path("tree")));
  EXPECT_THAT(PathExists(dir_.Path("tree")), IsOkAndHolds(false));
  EXPECT_OK(DeleteTree(dir_.Path("tree")));
}

TEST_F(TrashTest, AMountInsideIsNeverEntered) {
  dir_.MakeDir("trash/a");
  dir_.MakeDir("trash/b/mounted");
  dir_.MakeDir("trash/c");
  const std::string mounted = dir_.Path("trash/b/mounted");
  ASSERT_EQ(mount("none", mounted.c_str(), "tmpfs", 0, nullptr), 0);
  dir_.WriteFile("trash/b/mounted/file", "keep");
  EXPECT_THAT(Empty(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                testing::HasSubstr("another file system")));
  EXPECT_EQ(ReadTestFile(mounted + "/file"), "keep");
  ASSERT_EQ(umount(mounted.c_str()), 0);
  // The others went, and this one goes now.
  EXPECT_THAT(ListDirectory(trash_), IsOkAndHolds(testing::ElementsAre("b")));
  EXPECT_OK(Empty().status());
}

// `depth` directories, each in the one before, the deepest with a file.
void MakeDeep(const std::string& top, int depth) {
  ASSERT_EQ(mkdir(top.c_str(), 0755), 0);
  UniqueFd fd(open(top.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int i = 1; i < depth; ++i) {
    ASSERT_EQ(mkdirat(fd.get(), "d", 0755), 0);
    fd.Reset(openat(fd.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(fd.ok());
  }
  const UniqueFd file(
      openat(fd.get(), "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_TRUE(file.ok());
}

TEST_F(TrashTest, DepthOfATreeIsNoObstacle) {
  MakeDeep(dir_.Path("trash/deep"), 3000);
  // As a run that died would have left it.
  dir_.WriteFile("trash/deep/.lifted-0/file", "x");
  dir_.WriteFile("trash/deep/sibling/file", "x");
  dir_.WriteFile("trash/other/file", "x");
  ASSERT_OK_AND_ASSIGN(const TrashResult result, Empty());
  EXPECT_EQ(result.trees, 2);
  EXPECT_THAT(ListDirectory(trash_), IsOkAndHolds(testing::IsEmpty()));
}

TEST_F(TrashTest, DeepTreeIsDeletedInPlaceToo) {
  MakeDeep(dir_.Path("deep"), 700);
  EXPECT_OK(DeleteTree(dir_.Path("deep")));
  EXPECT_THAT(PathExists(dir_.Path("deep")), IsOkAndHolds(false));
}

TEST_F(TrashTest, SiblingsOfWhatFailsAreDeleted) {
  dir_.WriteFile("trash/tree/a/file", "x");
  dir_.WriteFile("trash/tree/z/file", "x");
  const std::string mounted = dir_.MakeDir("trash/tree/m/mounted");
  dir_.WriteFile("trash/tree/m/file", "x");
  ASSERT_EQ(mount("none", mounted.c_str(), "tmpfs", 0, nullptr), 0);
  EXPECT_THAT(Empty(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                testing::HasSubstr("tree/m/mounted: another")));
  EXPECT_THAT(ListDirectory(dir_.Path("trash/tree")),
              IsOkAndHolds(testing::ElementsAre("m")));
  EXPECT_THAT(ListDirectory(dir_.Path("trash/tree/m")),
              IsOkAndHolds(testing::ElementsAre("mounted")));
  ASSERT_EQ(umount(mounted.c_str()), 0);
  EXPECT_OK(Empty().status());
}

// Bytes of heap that the process may still take are limited while it runs.
TEST_F(TrashTest, AHugeDirectoryTakesNoMemory) {
  constexpr int kFiles = 60'000;
  ASSERT_EQ(mount("none", trash_.c_str(), "tmpfs", 0, "nr_inodes=0"), 0);
  const std::string tree = dir_.MakeDir("trash/tree");
  const UniqueFd fd(open(tree.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::string padding(200, 'x');
  dir_.WriteFile("trash/tree/first", "x");
  for (int i = 0; i < kFiles; ++i) {
    ASSERT_EQ(linkat(fd.get(), "first", fd.get(),
                     absl::StrCat(padding, i).c_str(), 0),
              0);
  }
  const size_t before = mallinfo2().uordblks;
  size_t most = before;
  ASSERT_OK(EmptyTrash(trash_, absl::ZeroDuration(), [&most] {
              most = std::max(most, mallinfo2().uordblks);
              return false;
            }).status());
  EXPECT_THAT(ListDirectory(trash_), IsOkAndHolds(testing::IsEmpty()));
  // The names alone are 12 MB.
  EXPECT_LT(most - before, size_t{1} << 20);
  EXPECT_EQ(umount2(trash_.c_str(), MNT_DETACH), 0);
}

TEST_F(TrashTest, StopsBetweenTwoFilesAndGoesOnNextTime) {
  for (int i = 0; i < 10; ++i) {
    dir_.WriteFile(absl::StrCat("trash/tree/", i), "x");
  }
  dir_.MakeDir("trash/zzz");
  int asked = 0;
  ASSERT_OK_AND_ASSIGN(const TrashResult result,
                       EmptyTrash(trash_, absl::ZeroDuration(),
                                  [&asked] { return ++asked > 8; }));
  EXPECT_EQ(result.trees, 0);
  EXPECT_THAT(ListDirectory(trash_),
              IsOkAndHolds(testing::ElementsAre("tree", "zzz")));
  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> left,
                       ListDirectory(dir_.Path("trash/tree")));
  EXPECT_GT(left.size(), 0U);
  EXPECT_LT(left.size(), 10U);
  ASSERT_OK_AND_ASSIGN(const TrashResult rest, Empty());
  EXPECT_EQ(rest.trees, 2);
}

}  // namespace
}  // namespace oneagent
