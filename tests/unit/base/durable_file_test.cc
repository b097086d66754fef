#include "base/durable_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "tests/support/leak_check.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

class DurableFileTest : public testing::Test {
 protected:
  static mode_t ModeOf(const std::string& path) {
    struct stat info;
    EXPECT_EQ(lstat(path.c_str(), &info), 0) << path;
    return info.st_mode & 07777;
  }

  LeakCheck leaks_;
  TempDir dir_;
};

TEST_F(DurableFileTest, WritesReadsAndReplaces) {
  const std::string path = dir_.Path("record.json");
  for (const Durability durability : {Durability::kSync, Durability::kNoSync}) {
    ASSERT_OK(WriteFileAtomically(path, "old", 0600, durability));
    ASSERT_OK(WriteFileAtomically(path, "new", 0644, durability));
    EXPECT_THAT(ReadWholeFile(path), IsOkAndHolds(std::string("new")));
    EXPECT_EQ(ModeOf(path), 0644u);
  }
  EXPECT_THAT(ListDirectory(dir_.path()),
              IsOkAndHolds(testing::ElementsAre("record.json")));
}

TEST_F(DurableFileTest, ModeIsExactWhateverTheUmask) {
  const mode_t old = umask(0077);
  EXPECT_OK(WriteFileAtomically(dir_.Path("f"), "", 0666, Durability::kNoSync));
  EXPECT_OK(EnsureDirectory(dir_.Path("d"), 01777));
  umask(old);
  EXPECT_EQ(ModeOf(dir_.Path("f")), 0666u);
  EXPECT_EQ(ModeOf(dir_.Path("d")), 01777u);
}

TEST_F(DurableFileTest, FailedWriteLeavesTheOldContentAndNoTemporaryFile) {
  dir_.MakeDir("taken");
  EXPECT_FALSE(
      WriteFileAtomically(dir_.Path("taken"), "x", 0600, Durability::kSync)
          .ok());
  EXPECT_THAT(ListDirectory(dir_.path()),
              IsOkAndHolds(testing::ElementsAre("taken")));
}

TEST_F(DurableFileTest, ReadingRefusesLinksAndGiants) {
  dir_.WriteFile("big", std::string(100, 'x'));
  EXPECT_THAT(ReadWholeFile(dir_.Path("big"), 99),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_OK(ReadWholeFile(dir_.Path("big"), 100).status());
  ASSERT_EQ(symlink("big", dir_.Path("link").c_str()), 0);
  EXPECT_FALSE(ReadWholeFile(dir_.Path("link")).ok());
  EXPECT_THAT(ReadWholeFile(dir_.Path("none")),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(DurableFileTest, EnsureDirectoryCorrectsModeAndRefusesFiles) {
  dir_.MakeDir("d");
  ASSERT_EQ(chmod(dir_.Path("d").c_str(), 0755), 0);
  EXPECT_OK(EnsureDirectory(dir_.Path("d"), 0700));
  EXPECT_EQ(ModeOf(dir_.Path("d")), 0700u);
  dir_.WriteFile("f", "");
  EXPECT_THAT(EnsureDirectory(dir_.Path("f"), 0700),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_EQ(symlink("d", dir_.Path("link").c_str()), 0);
  EXPECT_THAT(EnsureDirectory(dir_.Path("link"), 0700),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(DurableFileTest, PathExistsSeesDanglingLinks) {
  ASSERT_EQ(symlink("nowhere", dir_.Path("dangling").c_str()), 0);
  EXPECT_THAT(PathExists(dir_.Path("dangling")), IsOkAndHolds(true));
  EXPECT_THAT(PathExists(dir_.Path("none")), IsOkAndHolds(false));
  EXPECT_OK(RemoveFileIfPresent(dir_.Path("dangling")));
  EXPECT_OK(RemoveFileIfPresent(dir_.Path("dangling")));
  EXPECT_THAT(PathExists(dir_.Path("dangling")), IsOkAndHolds(false));
}

}  // namespace
}  // namespace oneagent
