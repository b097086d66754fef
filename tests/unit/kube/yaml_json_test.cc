#include "cache/kube/yaml_json.h"

#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cache/kube/yaml_scalar.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::HasSubstr;
using testing::Not;

struct ScalarCase {
  std::string yaml;
  std::string json;
};
void PrintTo(const ScalarCase& c, std::ostream* out) { *out << c.yaml; }

class ScalarTest : public testing::TestWithParam<ScalarCase> {};

TEST_P(ScalarTest, FollowsTheCoreSchema) {
  EXPECT_EQ(PlainScalarJson(GetParam().yaml), GetParam().json);
}

INSTANTIATE_TEST_SUITE_P(
    Scalars, ScalarTest,
    testing::Values(
        ScalarCase{"", "null"}, ScalarCase{"~", "null"},
        ScalarCase{"Null", "null"}, ScalarCase{"nULL", "\"nULL\""},
        ScalarCase{"true", "true"}, ScalarCase{"FALSE", "false"},
        ScalarCase{"yes", "\"yes\""}, ScalarCase{"12", "12"},
        ScalarCase{"+12", "12"}, ScalarCase{"-012", "-12"},
        ScalarCase{"0x1F", "31"}, ScalarCase{"0o17", "15"},
        ScalarCase{"0x", "\"0x\""}, ScalarCase{"0x-1", "\"0x-1\""},
        ScalarCase{"0xffffffffffffffff1", "\"0xffffffffffffffff1\""},
        ScalarCase{"1.5", "1.5"}, ScalarCase{".5", "0.5"},
        ScalarCase{"5.", "5"}, ScalarCase{"00.50", "0.50"},
        ScalarCase{"1e3", "1e3"}, ScalarCase{"1E+3", "1e3"},
        ScalarCase{"-1.e-3", "-1e-3"}, ScalarCase{"1e", "\"1e\""},
        ScalarCase{"1e999", "\"1e999\""}, ScalarCase{".", "\".\""},
        ScalarCase{"-", "\"-\""}, ScalarCase{".inf", "\".inf\""},
        ScalarCase{"1.2.3", "\"1.2.3\""},
        ScalarCase{"1.290.0.20240417-100000", "\"1.290.0.20240417-100000\""},
        ScalarCase{std::string(65, '1'),
                   absl::StrCat("\"", std::string(65, '1'), "\"")},
        ScalarCase{"a\"b\\c\td", "\"a\\\"b\\\\c\\u0009d\""}));

std::vector<std::string> Documents(absl::string_view text,
                                   const YamlLimits& limits = {}) {
  std::vector<std::string> out;
  for (const YamlDocument& document : ReadYamlDocuments(text, limits)) {
    out.push_back(absl::StrCat(
        document.line, " ",
        document.json.ok()
            ? *document.json
            : absl::StrCat("! ", document.json.status().message())));
  }
  return out;
}

using testing::ElementsAre;
using testing::IsEmpty;

TEST(YamlJsonTest, WritesNestedCollectionsAndStyles) {
  EXPECT_THAT(Documents("a:\n- 1\n- {b: 'true', c: \"x\\ny\"}\n- |\n  t1\n"
                        "  t2\n- []\n- {}\nd: !!str 5\n"),
              ElementsAre("1 {\"a\":[1,{\"b\":\"true\",\"c\":\"x\\u000ay\"},"
                          "\"t1\\u000at2\\u000a\",[],{}],\"d\":\"5\"}"));
}

TEST(YamlJsonTest, ExplicitTagsDecide) {
  EXPECT_THAT(Documents("[!!int '5', ! 5, !local 5, !!binary YQ==]"),
              ElementsAre("1 [5,\"5\",\"5\",\"YQ==\"]"));
}

TEST(YamlJsonTest, SeveralDocumentsWithTheLinesTheyStartAt) {
  EXPECT_THAT(Documents("# head\n%YAML 1.2\n---\na: 1\n---\n# nothing\n--- "
                        "{b: 2}\n...\n\nc: 3\n"),
              ElementsAre("4 {\"a\":1}", "7 {\"b\":2}", "10 {\"c\":3}"));
}

TEST(YamlJsonTest, NothingToReadIsNoDocument) {
  EXPECT_THAT(Documents(""), IsEmpty());
  EXPECT_THAT(Documents("\n# only a comment\n"), IsEmpty());
  EXPECT_THAT(Documents("---\n---\n...\n---"), IsEmpty());
}

TEST(YamlJsonTest, ABrokenDocumentLeavesTheOthersAlone) {
  EXPECT_THAT(Documents("a: 1\n---\nb: [1,\n---\nc: \"open\n---\nd: 4\n"),
              ElementsAre("1 {\"a\":1}", testing::StartsWith("4 ! "),
                          testing::StartsWith("6 ! "), "7 {\"d\":4}"));
}

TEST(YamlJsonTest, ReadsCompactAndPrettyJson) {
  EXPECT_THAT(
      Documents("{\"a\":1,\"b\":[true,null,\"x\\/y\"],\"c\":{\"d\":\"\"}}"),
      ElementsAre("1 {\"a\":1,\"b\":[true,null,\"x/y\"],\"c\":{\"d\":\"\"}}"));
  EXPECT_THAT(Documents("{\n\t\"a\": {\n\t\t\"b\" : 1\n\t}\n}\n"),
              ElementsAre("1 {\"a\":{\"b\":1}}"));
}

TEST(YamlJsonTest, JsonSurrogatePairsAreOneCharacter) {
  EXPECT_THAT(Documents("{\"a\":\"\\ud83d\\ude00 \\\\ud83d\"}"),
              ElementsAre("1 {\"a\":\"\xf0\x9f\x98\x80 \\\\ud83d\"}"));
  // In YAML that is no escape, and stays what it is.
  EXPECT_THAT(Documents("a: '\\ud83d\\ude00'"),
              ElementsAre("1 {\"a\":\"\\\\ud83d\\\\ude00\"}"));
}

TEST(YamlJsonTest, AliasesAreExpanded) {
  EXPECT_THAT(Documents("a: &x {b: 1}\nc: *x\n"),
              ElementsAre("1 {\"a\":{\"b\":1},\"c\":{\"b\":1}}"));
  EXPECT_THAT(Documents("a: 1\nc: *x\n"), ElementsAre("2 ! unknown alias"));
  EXPECT_THAT(Documents("a: &x [*x]\n"), ElementsAre("1 ! unknown alias"));
}

TEST(YamlJsonTest, ItemsOfAListComeOneByOneWithTheirLines) {
  const auto documents = ReadYamlDocuments(
      "kind: List\nitems:\n- a: {items: [x]}\n- [1]\n---\nb: 1\n");
  ASSERT_EQ(documents.size(), 2u);
  ASSERT_EQ(documents[0].items.size(), 2u);
  EXPECT_EQ(documents[0].items[0].line, 3);
  EXPECT_EQ(documents[0].items[0].json, "{\"a\":{\"items\":[\"x\"]}}");
  EXPECT_EQ(documents[0].items[1].line, 4);
  EXPECT_EQ(documents[0].items[1].json, "[1]");
  EXPECT_TRUE(documents[1].items.empty());
  EXPECT_THAT(Documents("a: &x []\nitems: *x\n"),
              ElementsAre("2 ! items as an alias"));
}

TEST(YamlJsonTest, AnAliasBombIsRefused) {
  std::string bomb = "a0: &a0 [xxxxxxxxxx]\n";
  for (int i = 1; i < 40; ++i) {
    const std::string last = absl::StrCat("*a", i - 1);
    absl::StrAppend(&bomb, "a", i, ": &a", i, " [", last, ", ", last, ", ",
                    last, ", ", last, "]\n");
  }
  EXPECT_THAT(Documents(bomb),
              ElementsAre(HasSubstr("larger than 16777216 bytes")));
}

TEST(YamlJsonTest, LimitsHold) {
  const std::string deep = std::string(65, '[') + std::string(65, ']');
  EXPECT_THAT(Documents(deep), ElementsAre("1 ! nested deeper than 64"));
  EXPECT_THAT(Documents("[1, 2, 3, 4]", {.nodes = 4}),
              ElementsAre("1 ! more than 4 nodes"));
  // Far beyond the limit must not cost far more.
  EXPECT_THAT(Documents(std::string(4 << 20, '[')),
              ElementsAre("1 ! nested deeper than 64"));
}

TEST(YamlJsonTest, KeysAreScalarsAndUnique) {
  EXPECT_THAT(Documents("a: 1\nb: 2\na: 3\n"),
              ElementsAre("3 ! a key that was there before"));
  EXPECT_THAT(Documents("? [a]\n: 1\n"),
              ElementsAre("1 ! a key that is not a scalar"));
}

TEST(YamlJsonTest, BytesThatAreNotTextAreNamedByLine) {
  EXPECT_THAT(Documents(std::string("a: 1\nb: \xff\xfe\n")),
              ElementsAre(testing::StartsWith("2 ! ")));
  EXPECT_THAT(Documents(std::string("a: 1\nb: \0x\n", 11)),
              ElementsAre(testing::StartsWith("2 ! ")));
}

TEST(YamlJsonTest, NoErrorQuotesTheDocument) {
  for (const char* text :
       {"token: \"hunter2", "hunter2: 1\nhunter2: 2\n", "a: *hunter2",
        "a: hunter2: hunter2", "\thunter2", "a: @hunter2", "!hunter2!x a"}) {
    for (const std::string& document : Documents(text)) {
      EXPECT_THAT(document, HasSubstr("!")) << text;
      EXPECT_THAT(document, Not(HasSubstr("hunter2"))) << text;
    }
  }
}

}  // namespace
}  // namespace oneagent
