#include "tests/support/markdown.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <regex>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace oneagent {
namespace {

// Calls `look` with each line that is not in a block of code.
void ForEachProseLine(
    absl::string_view markdown,
    const std::function<void(const std::string& line, int number)>& look) {
  bool is_code = false;
  int number = 0;
  for (const absl::string_view line : absl::StrSplit(markdown, '\n')) {
    ++number;
    if (absl::StartsWith(absl::StripLeadingAsciiWhitespace(line), "```")) {
      is_code = !is_code;
    } else if (!is_code) {
      look(std::string(line), number);
    }
  }
}

void AddMatches(const std::string& line, int number, const std::regex& pattern,
                std::vector<DocumentWord>* words) {
  for (std::sregex_iterator next(line.begin(), line.end(), pattern), end;
       next != end; ++next) {
    words->push_back({(*next)[1].str(), number});
  }
}

std::string AnchorOf(absl::string_view heading) {
  std::string anchor;
  for (const char c : heading) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || c == '-' || c == '_' || byte >= 0x80) {
      anchor.push_back(absl::ascii_tolower(byte));
    } else if (c == ' ') {
      anchor.push_back('-');
    }
  }
  return anchor;
}

}  // namespace

std::vector<std::string> MarkdownFiles() {
  const std::filesystem::path root = ONEAGENT_SOURCE_DIR;
  std::vector<std::string> files;
  for (std::filesystem::recursive_directory_iterator next(root), end;
       next != end; ++next) {
    const std::string name = next->path().filename();
    const bool is_built = next.depth() == 0 && name == "build";
    if (next->is_directory() && (is_built || name.front() == '.')) {
      next.disable_recursion_pending();
    } else if (next->path().extension() == ".md") {
      files.push_back(std::filesystem::relative(next->path(), root));
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<DocumentWord> LinksIn(absl::string_view markdown) {
  static const std::regex kSpan("`[^`]*`");
  static const std::regex kInline(R"(\]\(\s*([^)\s]+)[^)]*\))");
  static const std::regex kReference(R"(^\s*\[[^\]]+\]:\s*(\S+))");
  static const std::regex kAttribute(R"re(\b(?:src|srcset)="([^"]+)")re");
  std::vector<DocumentWord> links;
  ForEachProseLine(markdown, [&](const std::string& line, int number) {
    const std::string prose = std::regex_replace(line, kSpan, "");
    for (const std::regex* pattern : {&kInline, &kReference, &kAttribute}) {
      AddMatches(prose, number, *pattern, &links);
    }
  });
  return links;
}

std::vector<DocumentWord> CodeSpansIn(absl::string_view markdown) {
  static const std::regex kSpan("`([^`]+)`");
  std::vector<DocumentWord> spans;
  ForEachProseLine(markdown, [&](const std::string& line, int number) {
    AddMatches(line, number, kSpan, &spans);
  });
  return spans;
}

std::set<std::string> AnchorsIn(absl::string_view markdown) {
  static const std::regex kHeading("^#{1,6} +(.*?) *#*$");
  std::set<std::string> anchors;
  std::map<std::string, int> seen;
  ForEachProseLine(markdown, [&](const std::string& line, int /*number*/) {
    std::smatch heading;
    if (!std::regex_match(line, heading, kHeading)) return;
    const std::string anchor = AnchorOf(heading[1].str());
    const int earlier = seen[anchor]++;
    anchors.insert(earlier == 0 ? anchor : absl::StrCat(anchor, "-", earlier));
  });
  return anchors;
}

}  // namespace oneagent
