#include "cache/store/entry_path.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::HasSubstr;

TEST(EntryPath, IsNormalized) {
  struct Case {
    const char* in;
    const char* want;
  };
  for (const Case& c :
       {Case{"a", "a"}, Case{"./a", "a"}, Case{"a//b/", "a/b"}, Case{"./", ""},
        Case{"a/./b", "a/b"}, Case{"..a/b..", "..a/b.."},
        Case{"a\\..\\b", "a\\..\\b"}, Case{"\xc3\xbc", "\xc3\xbc"}}) {
    EXPECT_THAT(NormalizeEntryPath(c.in, 1024), IsOkAndHolds(c.want)) << c.in;
  }
}

TEST(EntryPath, HostileNamesAreRefused) {
  struct Case {
    std::string in;
    const char* cause;
  };
  std::string deep = "a";
  for (int i = 0; i < 128; ++i) absl::StrAppend(&deep, "/a");
  const Case cases[] = {
      {"", "empty"},
      {"/etc/passwd", "absolute"},
      {"..", "leaves"},
      {"../a", "leaves"},
      {"a/../b", "leaves"},
      {"a/..", "leaves"},
      {"a/../../b", "leaves"},
      {std::string("a\0b", 3), "control"},
      {"a\nb", "control"},
      {"a\x7f", "control"},
      {"a\xff", "UTF-8"},
      {"a\xc3", "UTF-8"},
      {"\xc0\xaf", "UTF-8"},          // an overlong slash
      {"\xed\xa0\x80", "UTF-8"},      // a surrogate
      {"\xf4\x90\x80\x80", "UTF-8"},  // beyond the last code point
      {std::string(256, 'x'), "255"},
      {std::string(1025, '/'), "longer than 1024"},
      {deep, "128 components"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(
        NormalizeEntryPath(c.in, 1024),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.cause)))
        << Printable(c.in);
  }
}

TEST(LinkTarget, MayStayInTheTreeOnly) {
  struct Case {
    const char* path;
    const char* target;
    bool ok;
  };
  const Case cases[] = {
      {"a", "b", true},
      {"a", "b/c", true},
      {"a", "./b", true},
      {"d/a", "../b", true},
      {"d/e/a", "../../b/c", true},
      {"a", "..", false},
      {"a", "../b", false},
      {"d/a", "../../b", false},
      {"d/a", "..", true},
      {"d/a", "x/../../b", false},
      {"d/a", "x/../b", false},  // x may be a link to elsewhere
      {"a", "/etc/passwd", false},
      {"a", "", false},
      {"a", "b\nc", false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(CheckLinkTarget(c.path, c.target).ok(), c.ok)
        << c.path << " -> " << c.target;
  }
}

TEST(ArchivePrefix, IsStrippedFromWhatStandsBelowIt) {
  EXPECT_EQ(TreePath("opt/dynatrace/oneagent/agent/x"), "agent/x");
  EXPECT_EQ(TreePath("opt/dynatrace/oneagent"), "opt/dynatrace/oneagent");
  EXPECT_EQ(TreePath("opt/dynatrace/oneagents/x"), "opt/dynatrace/oneagents/x");
  EXPECT_EQ(TreePath("agent/opt/dynatrace/oneagent/x"),
            "agent/opt/dynatrace/oneagent/x");
}

TEST(VersionDirectory, HasFiveNumbers) {
  EXPECT_TRUE(IsVersionDirectoryName("1.301.0.20241105-123456"));
  for (const char* const name :
       {"", "1.2.3.4", "1.2.3-4", "1.2.3.4-", "1.2.3.4-5a", "a1.2.3.4-5",
        "1..3.4-5", "1.2.3.4-5-6", "current"}) {
    EXPECT_FALSE(IsVersionDirectoryName(name)) << name;
  }
}

TEST(Modes, FollowTheTreesRules) {
  EXPECT_EQ(DirectoryMode("log"), 01777u);
  EXPECT_EQ(DirectoryMode("agent/log"), 0755u);
  EXPECT_EQ(FileMode("agent/conf/ruxitagentproc.conf", false), 0666u);
  EXPECT_EQ(FileMode("agent/conf/tool", true), 0666u);
  EXPECT_EQ(FileMode("agent/conf/sub/x", false), 0644u);
  EXPECT_EQ(FileMode("agent/lib64/lib.so", true), 0755u);
}

}  // namespace
}  // namespace oneagent
