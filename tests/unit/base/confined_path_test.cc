#include "base/confined_path.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "tests/support/leak_check.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

class ConfinedPathTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_.WriteFile("root/a/file", "inside");
    dir_.WriteFile("outside", "secret");
    ASSERT_EQ(
        symlink(dir_.Path("outside").c_str(), dir_.Path("root/out").c_str()),
        0);
    ASSERT_EQ(symlink("a", dir_.Path("root/in").c_str()), 0);
    ASSERT_OK_AND_ASSIGN(root_, OpenRoot(dir_.Path("root")));
  }
  absl::Status Open(absl::string_view path) {
    return OpenBeneath(root_.get(), path, O_RDONLY).status();
  }

  LeakCheck leaks_;
  TempDir dir_;
  UniqueFd root_;
};

TEST_F(ConfinedPathTest, OpensWhatIsBelow) {
  EXPECT_OK(Open("a/file"));
  EXPECT_OK(Open("a/../a/file"));
}

TEST_F(ConfinedPathTest, RefusesLinksEvenThoseThatStayInside) {
  for (const char* const path : {"out", "in", "in/file", "in/../a/file"}) {
    EXPECT_THAT(Open(path), StatusIs(absl::StatusCode::kFailedPrecondition,
                                     testing::HasSubstr("symbolic link")))
        << path;
  }
}

TEST_F(ConfinedPathTest, RefusesToLeaveTheRoot) {
  EXPECT_THAT(Open("../outside"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       testing::HasSubstr("leads out")));
  EXPECT_THAT(Open("a/../../outside"),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(ConfinedPathTest, RefusesPathsThatAreNoRelativePaths) {
  EXPECT_THAT(Open(""), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Open("/etc"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Open(absl::string_view("a\0b", 3)),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Open("missing"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ConfinedPathTest, TheRootItselfMayBeALink) {
  ASSERT_EQ(symlink("root", dir_.Path("link").c_str()), 0);
  ASSERT_OK_AND_ASSIGN(const UniqueFd root, OpenRoot(dir_.Path("link")));
  EXPECT_OK(OpenBeneath(root.get(), "a/file", O_RDONLY).status());
}

TEST_F(ConfinedPathTest, AbsolutePathsMayHoldNoLinkAtAll) {
  ASSERT_EQ(symlink("root", dir_.Path("link").c_str()), 0);
  EXPECT_OK(OpenWithoutSymlinks(dir_.Path("root/a/file"), O_RDONLY).status());
  EXPECT_THAT(OpenWithoutSymlinks(dir_.Path("link/a/file"), O_RDONLY).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(OpenWithoutSymlinks("tmp", O_RDONLY).status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(ConfinedPathTest, ResolvesTheLinksOfAPathThatIsNotWhollyThere) {
  const std::string root = std::filesystem::canonical(dir_.path());
  dir_.MakeDir("real");
  ASSERT_EQ(symlink("real", dir_.Path("link").c_str()), 0);
  EXPECT_EQ(ResolveSymlinks(dir_.Path("link/a/b")), root + "/real/a/b");
  EXPECT_EQ(ResolveSymlinks(dir_.Path("real")), root + "/real");
}

}  // namespace
}  // namespace oneagent
