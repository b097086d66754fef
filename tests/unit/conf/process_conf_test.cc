#include "cache/conf/process_conf.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

using Properties = std::vector<ConfProperty>;

struct MergeCase {
  std::string name;
  std::string source;
  Properties properties;
  std::string want;
};

void PrintTo(const MergeCase& c, std::ostream* out) { *out << c.name; }

class MergeTest : public testing::TestWithParam<MergeCase> {};

TEST_P(MergeTest, GivesTheWantedFile) {
  const MergeCase& c = GetParam();
  EXPECT_THAT(MergeProcessConf(c.source, c.properties), IsOkAndHolds(c.want));
}

TEST_P(MergeTest, MergedAgainChangesNothing) {
  const MergeCase& c = GetParam();
  EXPECT_THAT(MergeProcessConf(c.want, c.properties), IsOkAndHolds(c.want));
}

TEST_P(MergeTest, EveryPropertyIsReadBack) {
  const MergeCase& c = GetParam();
  ASSERT_OK_AND_ASSIGN(const std::string merged,
                       MergeProcessConf(c.source, c.properties));
  const Properties parsed = ParseProcessConf(merged);
  for (const ConfProperty& property : c.properties) {
    // Of equal ones, only the last counts.
    bool overridden = false;
    for (const ConfProperty& other : c.properties) {
      if (&other > &property && other.section == property.section &&
          other.key == property.key) {
        overridden = true;
      }
    }
    if (overridden) continue;
    EXPECT_THAT(parsed, testing::Contains(property)) << property.key;
  }
}

const MergeCase kMergeCases[] = {
    {"Golden",
     "[general]\nprop1 old\n\n[other]\nprop3 old\n",
     {{"general", "prop1", "upd"},
      {"general", "prop2", "new"},
      {"other", "prop3", "upd"},
      {"other", "prop4", "new"},
      {"new", "prop5", "new"}},
     "[general]\nprop1 upd\nprop2 new\n\n[other]\nprop3 upd\nprop4 new\n\n"
     "[new]\nprop5 new\n"},
    {"NoPropertyKeepsEveryByte",
     "  [a] \r\nk  v \n\n\n# [x]\n[b\nlast",
     {},
     "  [a] \r\nk  v \n\n\n# [x]\n[b\nlast"},
    {"EmptySourceGetsTheSection",
     "",
     {{"general", "k", "v"}},
     "[general]\nk v\n"},
    {"NewKeysAreSorted",
     "[general]\n",
     {{"general", "c", "3"}, {"general", "a", "1"}, {"general", "b", "2"}},
     "[general]\na 1\nb 2\nc 3\n"},
    {"NewSectionsAreSortedAndSetApart",
     "[general]\nk v\n",
     {{"z", "k", "1"}, {"b", "k", "2"}, {"b", "a", "3"}},
     "[general]\nk v\n\n[b]\na 3\nk 2\n\n[z]\nk 1\n"},
    {"OneBlankLineIsEnoughBeforeANewSection",
     "[general]\nk v\n\n",
     {{"new", "k", "v"}},
     "[general]\nk v\n\n[new]\nk v\n"},
    {"NoNewlineAtEndReplaced",
     "[general]\nk old",
     {{"general", "k", "new"}},
     "[general]\nk new"},
    {"NoNewlineAtEndAppended",
     "[general]\nk v",
     {{"general", "l", "w"}},
     "[general]\nk v\nl w\n"},
    {"NoNewlineAtEndNewSection",
     "[general]\nk v",
     {{"new", "l", "w"}},
     "[general]\nk v\n\n[new]\nl w\n"},
    {"HeaderWithoutNewline",
     "[general]",
     {{"general", "k", "v"}},
     "[general]\nk v\n"},
    {"CarriageReturnsStay",
     "[general]\r\nk old\r\n\r\n[b]\r\nx y\r\n",
     {{"general", "k", "new"}, {"general", "l", "w"}, {"c", "m", "n"}},
     "[general]\r\nk new\r\nl w\r\n\r\n[b]\r\nx y\r\n\r\n[c]\r\nm n\r\n"},
    {"CarriageReturnAtTheEndIsHalfALineBreak",
     "[general]\r\nk v\r",
     {{"general", "l", "w"}},
     "[general]\r\nk v\r\nl w\r\n"},
    {"BracketsInValuesAndCommentsAreText",
     "[general]\n# see [other]\n#[other]\nlist [other]\nopen [other\nk old\n",
     {{"general", "k", "new"}, {"general", "l", "[x]"}},
     "[general]\n# see [other]\n#[other]\nlist [other]\nopen [other\nk new\n"
     "l [x]\n"},
    {"HeaderWithTextBehindItIsNoHeader",
     "[general]\nk a\n[other] text\nk b\n",
     {{"general", "k", "new"}},
     "[general]\nk new\n[other] text\nk new\n"},
    {"BlanksAroundAHeaderAreFine",
     "  [general]\t \nk old\n",
     {{"general", "k", "new"}},
     "  [general]\t \nk new\n"},
    {"DuplicateKeysAllChange",
     "[general]\nk 1\nx y\nk 2\n",
     {{"general", "k", "new"}},
     "[general]\nk new\nx y\nk new\n"},
    {"DuplicateSectionsChangeInBothAndGrowInTheFirst",
     "[a]\nk 1\n\n[b]\nk 1\n\n[a]\nk 2\n",
     {{"a", "k", "new"}, {"a", "l", "w"}},
     "[a]\nk new\nl w\n\n[b]\nk 1\n\n[a]\nk new\n"},
    {"KeyOnlyInTheSecondOfTwoSectionsIsNotAddedToTheFirst",
     "[a]\nk 1\n[b]\n[a]\nl 2\n",
     {{"a", "l", "new"}},
     "[a]\nk 1\n[b]\n[a]\nl new\n"},
    {"SameKeyInAnotherSectionStays",
     "[a]\nk 1\n[b]\nk 1\n",
     {{"b", "k", "2"}},
     "[a]\nk 1\n[b]\nk 2\n"},
    {"LinesBeforeAnySectionStay",
     "k 1\n[a]\nk 1\n",
     {{"a", "k", "2"}},
     "k 1\n[a]\nk 2\n"},
    {"LongerKeyIsAnotherKey",
     "[a]\nkey 1\nkeys 1\n",
     {{"a", "key", "2"}},
     "[a]\nkey 2\nkeys 1\n"},
    {"KeyWithoutValueIsKnown", "[a]\nk\n", {{"a", "k", "v"}}, "[a]\nk v\n"},
    {"EmptyValueLeavesTheKeyAlone",
     "[a]\nk old\n",
     {{"a", "k", ""}},
     "[a]\nk\n"},
    {"ValueMayHoldBlanksAndBrackets",
     "[a]\nk old\n",
     {{"a", "k", " {https://a:443/x} [b] # c "}},
     "[a]\nk  {https://a:443/x} [b] # c \n"},
    {"LastOfEqualPropertiesCounts",
     "[a]\nk old\n",
     {{"a", "k", "1"}, {"a", "k", "2"}},
     "[a]\nk 2\n"},
    {"TrailingBlankLinesOfASectionStayBehindIt",
     "[a]\nk v\n\n\n[b]\n\n",
     {{"a", "l", "w"}, {"b", "m", "n"}},
     "[a]\nk v\nl w\n\n\n[b]\nm n\n\n"},
    {"CommentAtTheEndOfASectionStaysInIt",
     "[a]\nk v\n# end\n\n[b]\n",
     {{"a", "l", "w"}},
     "[a]\nk v\n# end\nl w\n\n[b]\n"},
};

INSTANTIATE_TEST_SUITE_P(ProcessConf, MergeTest, testing::ValuesIn(kMergeCases),
                         [](const auto& test) { return test.param.name; });

TEST(ProcessConfTest, ALongLineIsOneValue) {
  const std::string value(kMaxProcessConf - 100, 'x');
  EXPECT_THAT(MergeProcessConf("[a]\nk " + value + "\n", {{"a", "l", "w"}}),
              IsOkAndHolds("[a]\nk " + value + "\nl w\n"));
}

TEST(ProcessConfTest, ALargerFileIsRefusedWithAndWithoutProperties) {
  const std::string largest(kMaxProcessConf, '\n');
  EXPECT_THAT(MergeProcessConf(largest, {}), IsOkAndHolds(largest));
  for (const Properties& properties :
       {Properties(), Properties{{"a", "k", "v"}}}) {
    EXPECT_THAT(MergeProcessConf(largest + "\n", properties),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("larger than 1048576 bytes")));
  }
  EXPECT_THAT(MergeProcessConf(largest, {{"a", "k", "v"}}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("merged ruxitagentproc.conf")));
}

std::string Repeated(const std::string& text, size_t size) {
  std::string all;
  while (all.size() + text.size() <= size) all += text;
  return all;
}

// How much memory a child needs to merge; a failed merge counts as well.
int64_t PeakKib(const std::string& source, const Properties& properties) {
  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) return -1;
  const pid_t child = fork();
  if (child == 0) {
    const auto peak = [] {
      struct rusage usage = {};
      getrusage(RUSAGE_SELF, &usage);
      return usage.ru_maxrss;
    };
    const int64_t before = peak();
    (void)MergeProcessConf(source, properties);
    const int64_t grown = peak() - before;
    _exit(write(pipe_ends[1], &grown, sizeof(grown)) == sizeof(grown) ? 0 : 1);
  }
  int64_t grown = -1;
  close(pipe_ends[1]);
  if (read(pipe_ends[0], &grown, sizeof(grown)) != sizeof(grown)) grown = -1;
  close(pipe_ends[0]);
  waitpid(child, nullptr, 0);
  return grown;
}

TEST(ProcessConfTest, MemoryDoesNotGrowWithLines) {
  const std::string value(64 << 10, 'v');
  // Half a million lines that stay, and as many that become longer each.
  for (const std::string line : {"x\n", "k\n", "\n", "[a]\n", "#\n"}) {
    const int64_t kib = PeakKib("[a]\n" + Repeated(line, kMaxProcessConf - 8),
                                {{"a", "k", value}, {"b", "k", value}});
    EXPECT_GE(kib, 0);
    EXPECT_LT(kib, 8 << 10) << line;
  }
}

TEST(ProcessConfTest, ParseGivesPropertiesInOrder) {
  EXPECT_THAT(
      ParseProcessConf("free 1\n# [x]\n[a]\r\nk  v \r\n\n l\tw [b]\nm\n[b]\nk"),
      ElementsAre(ConfProperty{"", "free", "1"}, ConfProperty{"a", "k", " v "},
                  ConfProperty{"a", "l", "w [b]"}, ConfProperty{"a", "m", ""},
                  ConfProperty{"b", "k", ""}));
}

struct RefusedCase {
  std::string name;
  ConfProperty property;
  std::string cause;
};

void PrintTo(const RefusedCase& c, std::ostream* out) { *out << c.name; }

class RefusedTest : public testing::TestWithParam<RefusedCase> {};

TEST_P(RefusedTest, IsNamedWithoutItsValue) {
  const RefusedCase& c = GetParam();
  EXPECT_THAT(CheckConfProperty(c.property),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(c.cause), Not(HasSubstr("SECRET")),
                             Not(HasSubstr("\n")))));
}

const RefusedCase kRefusedCases[] = {
    {"EmptySection", {"", "k", "SECRET"}, "property .k: empty section"},
    {"EmptyKey", {"a", "", "SECRET"}, "property a.: empty key"},
    {"NewlineInValue", {"a", "k", "SECRET\nx y"}, "property a.k: control"},
    {"CarriageReturnInValue", {"a", "k", "SECRET\r"}, "control character"},
    {"TabInKey", {"a", "k\tl", "SECRET"}, "property a.k\\tl: control"},
    {"NewlineInKey", {"a", "k\nl", "SECRET"}, "control character"},
    {"NewlineInSection", {"a\n[b", "k", "SECRET"}, "control character"},
    {"NulInValue", {"a", "k", std::string("SECRET\0", 7)}, "control character"},
    {"BracketInSection", {"a]", "k", "SECRET"}, "\"]\" in the section"},
    {"BlankInKey", {"a", "k l", "SECRET"}, "blank in the key"},
    {"KeyThatIsAComment", {"a", "#k", "SECRET"}, "starts with"},
    {"KeyThatIsAHeader", {"a", "[k", "SECRET]"}, "starts with"},
};

INSTANTIATE_TEST_SUITE_P(ProcessConf, RefusedTest,
                         testing::ValuesIn(kRefusedCases),
                         [](const auto& test) { return test.param.name; });

TEST(ProcessConfTest, OrdinaryPropertiesPass) {
  EXPECT_OK(CheckConfProperty({"general", "serverAddress", "{https://a:1}"}));
  EXPECT_OK(CheckConfProperty({"general", "proxy", ""}));
  EXPECT_OK(CheckConfProperty({"agentType", "php", "on # [x]"}));
  EXPECT_OK(CheckConfProperty({"a", "k", "gr\xc3\xbc\xc3\x9f"}));
}

}  // namespace
}  // namespace oneagent
