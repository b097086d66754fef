#include "base/flags.h"

#include <string>
#include <vector>

#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

class FlagsTest : public testing::Test {
 protected:
  absl::StatusOr<std::vector<std::string>> Parse(
      std::vector<std::string> words) {
    words.insert(words.begin(), "program");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    std::vector<Flag> flags = {
        StringFlag("data-dir", "DIR", "where the cache lives", &dir_),
        IntFlag("max", "N", "most of them", &max_, 1, 10),
        DurationFlag("grace", "how long", &grace_),
        SwitchFlag("once", "one round", &once_),
        StringFlag("output", "FORMAT", "table or json", &output_)};
    flags.back().short_name = 'o';
    help_ = FlagHelp(flags);
    return ParseFlags(flags, static_cast<int>(argv.size()), argv.data());
  }

  std::string dir_, output_, help_;
  int64_t max_ = 5;
  absl::Duration grace_;
  bool once_ = false;
};

TEST_F(FlagsTest, ReadsEveryKindInBothForms) {
  EXPECT_THAT(Parse({"--data-dir", "/d", "--max=7", "--grace=5m", "--once",
                     "-o", "json"}),
              IsOkAndHolds(testing::IsEmpty()));
  EXPECT_EQ(dir_, "/d");
  EXPECT_EQ(max_, 7);
  EXPECT_EQ(grace_, absl::Minutes(5));
  EXPECT_TRUE(once_);
  EXPECT_EQ(output_, "json");
}

TEST_F(FlagsTest, WordsAreKeptInOrderWhereverFlagsStand) {
  EXPECT_THAT(Parse({"show", "--max", "2", "id", "--", "--once"}),
              IsOkAndHolds(testing::ElementsAre("show", "id", "--once")));
  EXPECT_EQ(max_, 2);
  EXPECT_FALSE(once_);
}

TEST_F(FlagsTest, EachMistakeNamesFlagAndValue) {
  const struct {
    std::vector<std::string> words;
    const char* want;
  } cases[] = {
      {{"--max=11"}, "--max=11: not a whole number from 1 to 10"},
      {{"--max=x"}, "--max=x: not a whole number from 1 to 10"},
      {{"--grace=5"}, "--grace=5: duration \"5\": not of the form 1h2m3.5s"},
      {{"--nonsense"}, "--nonsense: unknown flag"},
      {{"--nonsense=1"}, "--nonsense=1: unknown flag"},
      {{"-x"}, "-x: unknown flag"},
      {{"--data-dir"}, "--data-dir: needs a value"},
      {{"--once=yes"}, "--once=yes: takes no value"},
  };
  for (const auto& test : cases) {
    EXPECT_THAT(Parse(test.words),
                StatusIs(absl::StatusCode::kInvalidArgument, test.want));
  }
}

TEST_F(FlagsTest, HelpHasOneAlignedLinePerFlag) {
  ASSERT_OK(Parse({}).status());
  EXPECT_EQ(help_,
            "      --data-dir DIR    where the cache lives\n"
            "      --max N           most of them\n"
            "      --grace DURATION  how long\n"
            "      --once            one round\n"
            "  -o, --output FORMAT   table or json\n");
}

}  // namespace
}  // namespace oneagent
