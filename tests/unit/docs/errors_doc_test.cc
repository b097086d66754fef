// docs/errors.md explains every error text that the sources can say and every
// finding of doctor, and nothing that they cannot.
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/document.h"
#include "tests/unit/docs/error_texts.h"

namespace oneagent {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAreArray;

constexpr char kDoctor[] = "Findings of doctor";

// What only a mistake in this program could say.
bool IsForProgrammersOnly(const std::string& text) {
  static const auto* const kTexts = new std::set<std::string>{
      "unknown presence",
      "unknown volume state",
      "unknown target check",
      "unknown target state",
      "layer stack: no lower layer",
      "layer stack: upper without work",
      "layer stack: work without upper",
      "no parameter <> in: <>",
      "no data_version",
      "not looked at",
  };
  // The table of metrics is a constant.
  return kTexts->contains(text) || absl::StartsWith(text, "metric <>: ");
}

// Texts that are put together over several statements; each begins with a
// literal of the sources.
const std::set<std::string>& ComposedTexts() {
  static const auto* const kTexts =
      new std::set<std::string>{"HTTP <>: <>", "redirect that is not followed"};
  return *kTexts;
}

// Placeholders without their names.
std::string Plain(const std::string& text) {
  static const std::regex* const kPlaceholder = new std::regex("<[^<>]*>");
  return std::regex_replace(text, *kPlaceholder, "<>");
}

std::set<std::string> TextsInDocument() {
  std::set<std::string> texts;
  for (const DocumentRow& row :
       TableRows(ReadSourceTreeFile("docs/errors.md"))) {
    if (row.heading == kDoctor) continue;
    for (const std::string& text : row.codes[0]) texts.insert(Plain(text));
  }
  return texts;
}

TEST(ErrorsDocTest, ExplainsEveryTextAndNoOther) {
  std::set<std::string> said = ComposedTexts();
  for (const auto& [text, files] : FindErrorTexts()) {
    if (IsForProgrammersOnly(text)) continue;
    const std::string plain = Plain(text);
    said.insert(plain);
  }
  const std::set<std::string> explained = TextsInDocument();
  for (const auto& [text, files] : FindErrorTexts()) {
    EXPECT_TRUE(IsForProgrammersOnly(text) || explained.contains(Plain(text)))
        << "not in docs/errors.md: " << text << "   (of "
        << absl::StrJoin(files, ", ") << ")";
  }
  for (const std::string& text : explained) {
    EXPECT_TRUE(said.contains(text))
        << "in docs/errors.md, but nothing says it: " << text;
  }
}

TEST(ErrorsDocTest, ExplainsEveryFindingOfDoctorAndNoOther) {
  std::set<std::string> explained;
  for (const DocumentRow& row :
       TableRows(ReadSourceTreeFile("docs/errors.md"))) {
    if (row.heading != kDoctor) continue;
    for (const std::string& check : row.codes[0]) {
      explained.insert(Plain(check));
    }
  }
  EXPECT_THAT(FindDoctorChecks(), UnorderedElementsAreArray(explained));
}

TEST(ErrorsDocTest, SaysWhatEachTextMeansAndWhatToDo) {
  for (const DocumentRow& row :
       TableRows(ReadSourceTreeFile("docs/errors.md"))) {
    EXPECT_THAT(row.codes[0], Not(IsEmpty())) << "line " << row.line;
    for (const std::string& cell : row.cells) {
      EXPECT_THAT(cell, Not(IsEmpty())) << "line " << row.line;
    }
  }
}

TEST(ErrorsDocTest, NoTextEndsInAFullStop) {
  for (const auto& [text, files] : FindErrorTexts()) {
    EXPECT_FALSE(absl::EndsWith(text, ".") && !absl::EndsWith(text, "..."))
        << text << "   (of " << absl::StrJoin(files, ", ") << ")";
  }
}

}  // namespace
}  // namespace oneagent
