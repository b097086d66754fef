#include "base/text.h"

#include <string>

#include "gtest/gtest.h"

namespace oneagent {
namespace {

struct Sequence {
  const char* name;
  std::string text;
  size_t length;
  bool is_control = false;
};

TEST(Utf8SequenceTest, KnowsCharactersAndWhatTerminalsObey) {
  const Sequence cases[] = {
      {"letter", "ab", 1},
      {"NUL", std::string("\0x", 2), 1, true},
      {"escape", "\x1b[31m", 1, true},
      {"delete", "\x7f", 1, true},
      {"u umlaut", "\xc3\xbc-", 2},
      {"C1: U+009B", "\xc2\x9b", 2, true},
      {"no-break space", "\xc2\xa0", 2},
      {"Arabic letter mark", "\xd8\x9c", 2, true},
      {"euro", "\xe2\x82\xac", 3},
      {"en dash", "\xe2\x80\x93", 3},
      {"right-to-left mark", "\xe2\x80\x8f", 3, true},
      {"line separator", "\xe2\x80\xa8", 3, true},
      {"right-to-left override", "\xe2\x80\xae", 3, true},
      {"isolate", "\xe2\x81\xa6", 3, true},
      {"emoji", "\xf0\x9f\x98\x80", 4},
      {"lone continuation", "\x80", 0},
      {"overlong slash", "\xc0\xaf", 0},
      {"overlong in three", "\xe0\x80\xaf", 0},
      {"surrogate", "\xed\xa0\x80", 0},
      {"beyond Unicode", "\xf4\x90\x80\x80", 0},
      {"cut off", "\xe2\x82", 0},
  };
  for (const Sequence& test : cases) {
    const size_t length = Utf8SequenceLength(test.text);
    EXPECT_EQ(length, test.length) << test.name;
    if (length == 0) continue;
    EXPECT_EQ(
        IsControlSequence(absl::string_view(test.text).substr(0, test.length)),
        test.is_control)
        << test.name;
  }
}

TEST(CutTextTest, KeepsCharactersWhole) {
  EXPECT_EQ(CutText("abc", 3), "abc");
  EXPECT_EQ(CutText("abcd", 3), "abc...");
  EXPECT_EQ(CutText("ab\xe2\x82\xac", 3), "ab...");
  EXPECT_EQ(CutText("ab\xe2\x82\xac", 5), "ab\xe2\x82\xac");
  EXPECT_EQ(CutText("", 0), "");
  // No characters at all: only a few bytes are given up.
  EXPECT_EQ(CutText(std::string(10, '\x80'), 8),
            std::string(5, '\x80') + "...");
}

TEST(ShownTextTest, IsOneLineOfPrintableAsciiAndBounded) {
  EXPECT_EQ(ShownText("plain"), "plain");
  EXPECT_EQ(ShownText("a\nb\x1b[0m\xc3\xbc"), "a\\nb\\033[0m\\303\\274");
  EXPECT_EQ(ShownText("abcdef", 3), "abc...");
}

}  // namespace
}  // namespace oneagent
