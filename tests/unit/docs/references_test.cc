// What the documents refer to is there: files, headings, sources, tests,
// commands and flags.
#include <filesystem>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cache/provisioner/config.h"
#include "csi/config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/defined_tests.h"
#include "tests/support/document.h"
#include "tests/support/markdown.h"

namespace oneagent {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsSupersetOf;

bool IsInTree(const std::string& path) {
  return std::filesystem::exists(absl::StrCat(ONEAGENT_SOURCE_DIR, "/", path));
}

std::set<std::string> AllMatches(const std::string& text,
                                 const std::regex& pattern) {
  std::set<std::string> found;
  for (std::sregex_iterator next(text.begin(), text.end(), pattern), end;
       next != end; ++next) {
    found.insert((*next)[1].str());
  }
  return found;
}

std::string Place(const std::string& file, const DocumentWord& word) {
  return absl::StrCat(file, ":", word.line, ": ", word.text);
}

TEST(MarkdownTest, FindsLinksOutsideOfCode) {
  EXPECT_THAT(LinksIn("[a](b.md#c) and ![d](e.svg \"title\")\n`[no](x)`\n"
                      "```\n[no](y)\n```\n<img src=\"f.svg\">\n[g]: h.md\n"),
              ElementsAre(Field(&DocumentWord::text, "b.md#c"),
                          Field(&DocumentWord::text, "e.svg"),
                          Field(&DocumentWord::text, "f.svg"),
                          Field(&DocumentWord::text, "h.md")));
}

TEST(MarkdownTest, MakesAnchorsAsGithubDoes) {
  EXPECT_THAT(AnchorsIn("# What `it` is for\n## A/B: c_d-e\n## A/B: c_d-e\n"
                        "```\n# no heading\n```\n"),
              ElementsAre("ab-c_d-e", "ab-c_d-e-1", "what-it-is-for"));
}

TEST(ReferencesTest, LinksLeadToFilesAndHeadings) {
  const std::vector<std::string> files = MarkdownFiles();
  EXPECT_THAT(files, IsSupersetOf({"README.md", "DESIGN.md", "csi/README.md"}));
  int links = 0;
  for (const std::string& file : files) {
    const std::string markdown = ReadSourceTreeFile(file);
    for (const DocumentWord& link : LinksIn(markdown)) {
      if (absl::StrContains(link.text, "://")) continue;  // not of this tree
      ++links;
      const std::vector<std::string> parts = absl::StrSplit(link.text, '#');
      const std::filesystem::path beside =
          std::filesystem::path(file).parent_path() / parts[0];
      const std::string target =
          parts[0].empty() ? file : beside.lexically_normal().string();
      EXPECT_TRUE(IsInTree(target)) << Place(file, link);
      if (parts.size() == 1 || !IsInTree(target)) continue;
      EXPECT_THAT(AnchorsIn(ReadSourceTreeFile(target)), Contains(parts[1]))
          << Place(file, link);
    }
  }
  EXPECT_GT(links, 50);
}

TEST(ReferencesTest, SourcesThatAreNamedExist) {
  // A file, a folder, or a pair of .h and .cc by the name that they share.
  static const std::regex kPath(
      "(?:base|cache|charts|csi|docs|overlay|proto|tests)/[A-Za-z0-9_./-]*");
  int paths = 0;
  for (const std::string& file : MarkdownFiles()) {
    for (const DocumentWord& code : CodeSpansIn(ReadSourceTreeFile(file))) {
      if (!std::regex_match(code.text, kPath)) continue;
      ++paths;
      EXPECT_TRUE(IsInTree(code.text) || IsInTree(code.text + ".h") ||
                  IsInTree(code.text + ".cc"))
          << Place(file, code);
    }
  }
  EXPECT_GT(paths, 50);
}

TEST(ReferencesTest, TestsThatAreNamedExist) {
  static const std::regex kTest("[A-Z][A-Za-z0-9]+\\.[A-Z][A-Za-z0-9_]+");
  const std::set<std::string> defined = DefinedTests();
  int tests = 0;
  for (const std::string& file : MarkdownFiles()) {
    for (const DocumentWord& code : CodeSpansIn(ReadSourceTreeFile(file))) {
      if (!std::regex_match(code.text, kTest)) continue;
      ++tests;
      EXPECT_TRUE(defined.contains(code.text)) << Place(file, code);
    }
  }
  EXPECT_GT(tests, 20);
}

TEST(ReferencesTest, CommandsOfDevExistAndAreInItsHelp) {
  static const std::regex kFunction("\ncmd_([a-z0-9_]+)\\(\\)");
  static const std::regex kCommand("\\./dev ([a-z][a-z0-9_-]*)");
  static const std::regex kHelpLine("\n  ([a-z][a-z0-9_-]*)[ \n]");
  const std::string dev = ReadSourceTreeFile("dev");
  const std::set<std::string> commands = AllMatches(dev, kFunction);
  EXPECT_THAT(commands, IsSupersetOf({"build", "test", "help"}));
  for (const std::string& file : MarkdownFiles()) {
    for (const std::string& command :
         AllMatches(ReadSourceTreeFile(file), kCommand)) {
      EXPECT_TRUE(commands.contains(command)) << file << ": ./dev " << command;
    }
  }
  const size_t begin = dev.find("<<'HELP'");
  ASSERT_NE(begin, std::string::npos);
  const std::string help = dev.substr(begin, dev.find("\nHELP\n") - begin);
  EXPECT_EQ(AllMatches(help, kHelpLine), commands);
}

TEST(ReferencesTest, TheChangelogBeginsWithThisVersion) {
  std::smatch version;
  const std::string changelog = ReadSourceTreeFile("CHANGELOG.md");
  ASSERT_TRUE(std::regex_search(changelog, version,
                                std::regex("\n## \\[([0-9.]+)\\] - ")));
  EXPECT_EQ(version[1].str(), ONEAGENT_VERSION);
}

// The flags in a text, without those that every program has.
std::set<std::string> FlagsIn(const std::string& text) {
  static const std::regex kFlag("--([a-z][a-z-]+)");
  std::set<std::string> flags = AllMatches(text, kFlag);
  flags.erase("help");
  flags.erase("version");
  return flags;
}

TEST(ReferencesTest, TheReadmeShowsEveryFlagOfTheDaemonsAndNoOther) {
  const std::string readme = ReadSourceTreeFile("README.md");
  const size_t mounter = readme.find("\noneagent-csi-mounter --");
  const size_t provisioner = readme.find("\noneagent-csi-provisioner --");
  const size_t cli = readme.find("\noneagent-csi --");
  ASSERT_TRUE(mounter < provisioner && provisioner < cli &&
              cli != std::string::npos);
  EXPECT_EQ(FlagsIn(readme.substr(mounter, provisioner - mounter)),
            FlagsIn(MounterHelp()));
  EXPECT_EQ(FlagsIn(readme.substr(provisioner, cli - provisioner)),
            FlagsIn(ProvisionerHelp()));
}

}  // namespace
}  // namespace oneagent
