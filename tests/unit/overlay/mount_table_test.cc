#include "overlay/mount_table.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(ParseMountinfo, ReadsEveryField) {
  EXPECT_THAT(
      ParseMountinfo("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 "
                     "/dev/root rw,errors=continue\n"),
      IsOkAndHolds(
          ElementsAre(MountEntry{.id = 36,
                                 .parent_id = 35,
                                 .root = "/mnt1",
                                 .mount_point = "/mnt2",
                                 .options = "rw,noatime",
                                 .fs_type = "ext3",
                                 .source = "/dev/root",
                                 .super_options = "rw,errors=continue"})));
}

TEST(ParseMountinfo, TakesAnyNumberOfOptionalFields) {
  for (const char* optional :
       {"", "shared:1 ", "shared:1 master:2 propagate_from:3 unbindable ",
        "a-b -- something:new "}) {
    ASSERT_OK_AND_ASSIGN(
        const std::vector<MountEntry> entries,
        ParseMountinfo(
            absl::StrCat("1 0 0:1 / /p rw ", optional, "- overlay src rw")));
    ASSERT_EQ(entries.size(), 1U) << optional;
    EXPECT_EQ(entries[0].fs_type, "overlay") << optional;
    EXPECT_EQ(entries[0].source, "src") << optional;
  }
}

TEST(ParseMountinfo, DecodesOctalEscapes) {
  struct Case {
    const char* name;
    const char* escaped;
    const char* want;
  };
  constexpr Case kCases[] = {
      {"blank", "/a\\040b", "/a b"},
      {"tab", "/a\\011b", "/a\tb"},
      {"newline", "/a\\012b", "/a\nb"},
      {"backslash", "/a\\134b", "/a\\b"},
      {"hash", "/a\\043b", "/a#b"},
      {"backslash before digits", "/a\\134040", "/a\\040"},
      {"high byte", "/\\303\\244", "/\303\244"},
      {"largest", "/\\377", "/\377"},
      {"two digits only", "/a\\04", "/a\\04"},
      {"not octal", "/a\\089", "/a\\089"},
      {"above a byte", "/a\\400", "/a\\400"},
      {"at the end", "/a\\", "/a\\"},
      {"NUL stays escaped", "/a\\000b", "/a\\000b"},
      {"deleted", "/gone\\040(deleted)", "/gone (deleted)"},
      {"deleted root", "/gone//deleted", "/gone//deleted"},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    ASSERT_OK_AND_ASSIGN(const std::vector<MountEntry> entries,
                         ParseMountinfo(absl::StrCat(
                             "1 0 0:1 ", c.escaped, " ", c.escaped, " rw - ",
                             c.escaped, " ", c.escaped, " rw")));
    ASSERT_EQ(entries.size(), 1U);
    EXPECT_EQ(entries[0].root, c.want);
    EXPECT_EQ(entries[0].mount_point, c.want);
    EXPECT_EQ(entries[0].fs_type, c.want);
    EXPECT_EQ(entries[0].source, c.want);
  }
}

TEST(ParseMountinfo, TakesAnEmptySource) {
  ASSERT_OK_AND_ASSIGN(const std::vector<MountEntry> entries,
                       ParseMountinfo("1 0 0:1 / /p rw - tmpfs  rw,size=4k\n"));
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].source, "");
  EXPECT_EQ(entries[0].super_options, "rw,size=4k");
}

TEST(ParseMountinfo, TakesBlanksInSuperBlockOptions) {
  ASSERT_OK_AND_ASSIGN(
      const std::vector<MountEntry> entries,
      ParseMountinfo("1 0 0:1 / /p rw - odd src rw,name=with blanks - x\n"));
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].super_options, "rw,name=with blanks - x");
}

TEST(ParseMountinfo, TakesNoLinesAndALastLineWithoutNewline) {
  EXPECT_THAT(ParseMountinfo(""), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(
      ParseMountinfo("1 0 0:1 / /a rw - t s rw\n2 0 0:1 / /b rw - t s rw"),
      IsOkAndHolds(ElementsAre(Field(&MountEntry::mount_point, "/a"),
                               Field(&MountEntry::mount_point, "/b"))));
}

TEST(ParseMountinfo, RefusesWhatIsNotMountinfo) {
  struct Case {
    const char* name;
    std::string line;
    const char* want;
  };
  const Case cases[] = {
      {"empty line", "", "mount id"},
      {"blank", " ", "mount id"},
      {"text", "hello world", "mount id"},
      {"negative id", "-1 0 0:1 / /p rw - t s rw", "mount id"},
      {"signed id", "+1 0 0:1 / /p rw - t s rw", "mount id"},
      {"hexadecimal id", "0x1 0 0:1 / /p rw - t s rw", "mount id"},
      {"huge id", "99999999999999999999 0 0:1 / /p rw - t s rw", "mount id"},
      {"tab in id", "\t1 0 0:1 / /p rw - t s rw", "mount id"},
      {"no parent", "1", "parent id"},
      {"parent text", "1 x 0:1 / /p rw - t s rw", "parent id"},
      {"no device", "1 0", "device"},
      {"device without colon", "1 0 01 / /p rw - t s rw", "device"},
      {"device text", "1 0 a:b / /p rw - t s rw", "device"},
      {"no root", "1 0 0:1", "missing"},
      {"no mount point", "1 0 0:1 /", "missing"},
      {"two blanks", "1 0 0:1  /p rw - t s rw", "missing"},
      {"no options", "1 0 0:1 / /p", "missing"},
      {"no separator", "1 0 0:1 / /p rw shared:1 t s rw", "separator"},
      {"separator is last", "1 0 0:1 / /p rw -", "separator"},
      {"no type", "1 0 0:1 / /p rw - ", "file system type"},
      {"no source", "1 0 0:1 / /p rw - t", "file system type"},
      {"no super options", "1 0 0:1 / /p rw - t s", "super block options"},
      {"NUL bytes", std::string("\0\0\0", 3), "mount id"},
  };
  for (const Case& c : cases) {
    const std::string text =
        absl::StrCat("1 0 0:1 / /a rw - t s rw\n", c.line, "\n");
    EXPECT_THAT(ParseMountinfo(text),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         testing::AllOf(HasSubstr("mountinfo line 2"),
                                        HasSubstr(c.want))))
        << c.name;
  }
}

TEST(ReadMountTable, HoldsTheRootAndProc) {
  ASSERT_OK_AND_ASSIGN(const std::vector<MountEntry> entries, ReadMountTable());
  EXPECT_THAT(entries, Contains(Field(&MountEntry::mount_point, "/")));
  EXPECT_THAT(entries,
              Contains(testing::AllOf(Field(&MountEntry::mount_point, "/proc"),
                                      Field(&MountEntry::fs_type, "proc"))));
}

}  // namespace
}  // namespace oneagent
