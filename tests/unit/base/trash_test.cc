#include "base/trash.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/durable_file.h"
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
    return EmptyTrash(trash_, absl::InfiniteFuture());
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
              IsOkAndHolds(testing::ElementsAre("tree-0", "tree-1", "tree-2")));
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
                       EmptyTrash(trash_, absl::Now() - absl::Minutes(1)));
  EXPECT_EQ(result.trees, 0);
  EXPECT_THAT(ListDirectory(trash_), IsOkAndHolds(testing::SizeIs(1)));
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

}  // namespace
}  // namespace oneagent
