#include "tests/support/source_text.h"

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace oneagent {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::Pair;
using ::testing::SizeIs;

std::set<std::string> Texts(absl::string_view expression) {
  return TextsOf(Tokenize(expression), {{"kName", {"name"}}});
}

TEST(SourceTextTest, CommentsAndDirectivesAreNoTokens) {
  EXPECT_THAT(
      Tokenize("#define X \\\n  \"a\"\n// \"b\"\nf(/* \"c\" */ 'd');\n"),
      ElementsAre(
          Field(&SourceToken::text, "f"), Field(&SourceToken::text, "("),
          Field(&SourceToken::text, "'"), Field(&SourceToken::text, ")"),
          Field(&SourceToken::text, ";")));
}

TEST(SourceTextTest, NeighbouringLiteralsAreOneAndDecoded) {
  EXPECT_THAT(Texts("\"a \"\n  \"b\\\"\""), ElementsAre("a b\""));
  EXPECT_THAT(Texts("R\"(a\"b)\""), ElementsAre("a\"b"));
}

TEST(SourceTextTest, TextsArePutTogether) {
  EXPECT_THAT(Texts("absl::StrCat(\"agent \", id, \": gone\")"),
              ElementsAre("agent <>: gone"));
  EXPECT_THAT(Texts("absl::StrCat(a, b.c(), \": \", kName)"),
              ElementsAre("<>: name"));
  EXPECT_THAT(Texts("kind + \"-x\""), ElementsAre("<>-x"));
  EXPECT_THAT(Texts("absl::StrFormat(\"%04o is 5%%\", x)"),
              ElementsAre("<> is 5%"));
  EXPECT_THAT(Texts("std::string(\"x\")"), ElementsAre("x"));
  EXPECT_THAT(Texts("status.message()"), ElementsAre("<>"));
}

TEST(SourceTextTest, EachWayThroughAConditionalIsAText) {
  EXPECT_THAT(Texts("absl::StrCat(x ? \"a\" : y ? \"b\" : \"c\", \"!\")"),
              ElementsAre("a!", "b!", "c!"));
}

TEST(SourceTextTest, CallsAreFoundWithTheirArguments) {
  const auto tokens =
      Tokenize("f(a, g(b, c)); f object(\"x\"); f{1}; int f = 2;");
  const auto calls = FindCalls(tokens, {"f"});
  ASSERT_THAT(calls, SizeIs(3));
  EXPECT_THAT(calls[0].arguments, SizeIs(2));
  EXPECT_THAT(calls[1].arguments, SizeIs(1));
  EXPECT_EQ(calls[1].arguments[0][0].text, "x");
}

TEST(SourceTextTest, ConstantsAreKnown) {
  EXPECT_THAT(
      TextConstants(Tokenize("constexpr char kX[] =\n    \"a\" \"b\";")),
      ElementsAre(Pair("kX", ElementsAre("ab"))));
}

TEST(SourceTextTest, FunctionsAndNamedLambdasAreFound) {
  const auto tokens = Tokenize(
      "Status Refuse(string_view path, int n = 1) { return f(path); }\n"
      "const auto refuse = [&](string_view cause) { g(); };\n"
      "if (x) { h(y); }");
  const auto functions = FindFunctions(tokens);
  ASSERT_THAT(functions, SizeIs(3));
  EXPECT_EQ(functions[0].name, "Refuse");
  EXPECT_THAT(functions[0].parameters, ElementsAre("path", "n"));
  EXPECT_EQ(functions[1].name, "refuse");
  EXPECT_THAT(functions[1].parameters, ElementsAre("cause"));
}

TEST(SourceTextTest, ExpressionEndsWhereItsBracketOrStatementDoes) {
  EXPECT_THAT(ExpressionAt(Tokenize("f(a, b), c")), SizeIs(6));
  EXPECT_THAT(ExpressionAt(Tokenize("a; b")), SizeIs(1));
  EXPECT_THAT(ExpressionAt(Tokenize("a } b")), SizeIs(1));
}

}  // namespace
}  // namespace oneagent
