#include "cache/inspect/table.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace oneagent {
namespace {

TEST(TableTest, ColumnsAreAsWideAsTheirWidestCell) {
  Table table({{"ID"}, {"SIZE", Align::kRight}, {"SOURCE"}});
  table.AddRow({{"3f2a91c07be4d855"}, {"1.5 KiB"}, {"https://a"}});
  table.AddRow({{"77"}, {"412.0 MiB"}, {"b"}});
  EXPECT_EQ(table.Format(Paint::kOff),
            "ID                     SIZE  SOURCE\n"
            "3f2a91c07be4d855    1.5 KiB  https://a\n"
            "77                412.0 MiB  b\n");
}

TEST(TableTest, WithoutRowsTheHeaderStandsAlone) {
  EXPECT_EQ(Table({{"A"}, {"B"}}).Format(Paint::kOff), "A  B\n");
}

TEST(TableTest, MissingAndEmptyCellsAreDashes) {
  Table table({{"A"}, {"B"}});
  table.AddRow({{""}});
  EXPECT_EQ(table.Format(Paint::kOff), "A  B\n-  -\n");
}

TEST(TableTest, WidthCountsCharactersNotBytes) {
  Table table({{"A"}, {"B"}});
  table.AddRow({{"zürich"}, {"x"}});
  EXPECT_EQ(table.Format(Paint::kOff), "A       B\nzürich  x\n");
}

TEST(TableTest, ColourIsForTerminalsOnlyAndDoesNotDisturbTheColumns) {
  Table table({{"STATE"}, {"ID"}});
  table.AddRow({{"failed", Tone::kBad}, {"1"}});
  EXPECT_EQ(table.Format(Paint::kOff), "STATE   ID\nfailed  1\n");
  EXPECT_EQ(table.Format(Paint::kOn),
            "\x1b[1mSTATE\x1b[0m   \x1b[1mID\x1b[0m\n"
            "\x1b[31mfailed\x1b[0m  1\n");
}

TEST(TableTest, WordsFromStrangersCannotMoveTheCursor) {
  Table table({{"REASON"}});
  table.AddRow({{"a\x1b[2Jb\nc"}});
  EXPECT_EQ(table.Format(Paint::kOff), "REASON\na\\x1b[2Jb\\nc\n");
}

TEST(FormatFieldsTest, ValuesAreAligned) {
  EXPECT_EQ(FormatFields({{"id", "1"}, {"version", ""}}),
            "id:       1\nversion:  -\n");
}

struct TextCase {
  std::string in;
  std::string want;
};

TEST(TerminalTextTest, EscapesControlCharactersAndBrokenUtf8) {
  const std::vector<TextCase> cases = {
      {"plain", "plain"},
      {"zürich €", "zürich €"},
      {"a\tb\rc\n", "a\\tb\\rc\\n"},
      {std::string("nul\0byte", 8), "nul\\x00byte"},
      {"del\x7f", "del\\x7f"},
      {"c1 \xc2\x9b", "c1 \\xc2\\x9b"},  // CSI in one character
      {"lone \x80", "lone \\x80"},
      {"overlong \xc0\xaf", "overlong \\xc0\\xaf"},
      {"surrogate \xed\xa0\x80", "surrogate \\xed\\xa0\\x80"},
      {"cut off \xe2\x82", "cut off \\xe2\\x82"},
      {"too high \xf4\x90\x80\x80", "too high \\xf4\\x90\\x80\\x80"},
  };
  for (const TextCase& it : cases) EXPECT_EQ(TerminalText(it.in), it.want);
}

TEST(ValidUtf8Test, ReplacesOnlyWhatIsNoUtf8) {
  EXPECT_EQ(ValidUtf8("a\nü\x80\xe2\x82"), "a\nü???");
}

TEST(HumanBytesTest, PicksTheUnit) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(1023), "1023 B");
  EXPECT_EQ(HumanBytes(1536), "1.5 KiB");
  EXPECT_EQ(HumanBytes(1048576 - 1), "1.0 MiB");
  EXPECT_EQ(HumanBytes(int64_t{412} << 20), "412.0 MiB");
  EXPECT_EQ(HumanBytes(int64_t{3} << 40), "3.0 TiB");
}

TEST(HumanAgeTest, SaysTwoUnitsAtMost) {
  const absl::Time now = absl::FromUnixSeconds(1795341600);
  EXPECT_EQ(HumanAge(now, now), "0s");
  EXPECT_EQ(HumanAge(now - absl::Seconds(59), now), "59s");
  EXPECT_EQ(HumanAge(now - absl::Minutes(12), now), "12m");
  EXPECT_EQ(HumanAge(now - absl::Minutes(133), now), "2h13m");
  EXPECT_EQ(HumanAge(now - absl::Hours(2), now), "2h");
  EXPECT_EQ(HumanAge(now - absl::Hours(99), now), "4d3h");
  EXPECT_EQ(HumanAge(now + absl::Hours(1), now), "0s");
  EXPECT_EQ(HumanAge(absl::InfinitePast(), now), "-");
}

TEST(Rfc3339Test, IsUtcWithTheMillisecondsThereAre) {
  EXPECT_EQ(Rfc3339(absl::FromUnixSeconds(1795341600)), "2026-11-22T10:00:00Z");
  EXPECT_EQ(Rfc3339(absl::FromUnixMillis(1795341600250)),
            "2026-11-22T10:00:00.25Z");
  EXPECT_EQ(Rfc3339(absl::InfinitePast()), "");
}

}  // namespace
}  // namespace oneagent
