#include "cache/conf/process_conf.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace oneagent {
namespace {

enum class LineKind { kBlank, kComment, kSection, kProperty };

// One line of a file. Views point into the file.
struct Line {
  LineKind kind = LineKind::kBlank;
  absl::string_view text;  // with its terminator
  absl::string_view end;   // "\n", "\r\n"; "" or "\r" where the file ends
  absl::string_view name;  // section or key
  absl::string_view value;
};

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

Line ParseLine(absl::string_view text) {
  Line line{.text = text, .end = {}, .name = {}, .value = {}};
  absl::string_view content = text;
  absl::ConsumeSuffix(&content, "\n");
  absl::ConsumeSuffix(&content, "\r");
  line.end = text.substr(content.size());
  const absl::string_view stripped = absl::StripAsciiWhitespace(content);
  if (stripped.empty()) return line;
  if (stripped[0] == '#') {
    line.kind = LineKind::kComment;
    return line;
  }
  // The whole line has to be "[name]": brackets elsewhere are just text.
  if (stripped.size() > 2 && stripped[0] == '[' &&
      stripped.find(']') == stripped.size() - 1) {
    line.kind = LineKind::kSection;
    line.name = stripped.substr(1, stripped.size() - 2);
    return line;
  }
  line.kind = LineKind::kProperty;
  content = absl::StripLeadingAsciiWhitespace(content);
  const auto* const blank =
      std::find_if(content.begin(), content.end(), IsBlank);
  const size_t key_size = static_cast<size_t>(blank - content.begin());
  line.name = content.substr(0, key_size);
  if (key_size < content.size()) line.value = content.substr(key_size + 1);
  return line;
}

std::vector<Line> ParseLines(absl::string_view text) {
  std::vector<Line> lines;
  while (!text.empty()) {
    const size_t newline = text.find('\n');
    const size_t size =
        newline == absl::string_view::npos ? text.size() : newline + 1;
    lines.push_back(ParseLine(text.substr(0, size)));
    text.remove_prefix(size);
  }
  return lines;
}

// The section that each line stands in; a header stands in its own.
std::vector<absl::string_view> SectionsOf(const std::vector<Line>& lines) {
  std::vector<absl::string_view> sections;
  absl::string_view section;
  for (const Line& line : lines) {
    if (line.kind == LineKind::kSection) section = line.name;
    sections.push_back(section);
  }
  return sections;
}

// section -> key -> value, both sorted, the last of equal ones.
using Wanted = std::map<std::string, std::map<std::string, std::string>>;

std::string FormatProperty(absl::string_view key, absl::string_view value,
                           absl::string_view end) {
  return absl::StrCat(key, value.empty() ? "" : " ", value, end);
}

// Appends to a text whose last line may lack its terminator.
class Output {
 public:
  explicit Output(absl::string_view newline) : newline_(newline) {}

  void AppendLine(absl::string_view line) {
    if (!text_.empty() && text_.back() != '\n') {
      absl::StrAppend(&text_, text_.back() == '\r' ? "\n" : newline_);
    }
    absl::StrAppend(&text_, line);
  }
  void AppendProperties(const std::map<std::string, std::string>& properties) {
    for (const auto& [key, value] : properties) {
      AppendLine(FormatProperty(key, value, newline_));
    }
  }
  const std::string& text() const { return text_; }

 private:
  const absl::string_view newline_;
  std::string text_;
};

// Replaces known keys, all of them where one stands several times (whether a
// reader takes the first or the last, it sees the new value). Returns the new
// lines and leaves in `wanted` what has no line yet.
std::vector<std::string> ReplaceKnown(
    const std::vector<Line>& lines,
    const std::vector<absl::string_view>& sections, Wanted& wanted) {
  std::vector<std::string> replaced;
  const Wanted all = wanted;
  for (size_t i = 0; i < lines.size(); ++i) {
    const Line& line = lines[i];
    replaced.emplace_back(line.text);
    if (line.kind != LineKind::kProperty) continue;
    const auto section = all.find(std::string(sections[i]));
    if (section == all.end()) continue;
    const auto property = section->second.find(std::string(line.name));
    if (property == section->second.end()) continue;
    replaced.back() =
        FormatProperty(property->first, property->second, line.end);
    wanted[section->first].erase(property->first);
  }
  return replaced;
}

// Line after which each section's new keys go: the last one of its first
// occurrence that is not blank.
std::map<size_t, std::string> AppendPoints(
    const std::vector<Line>& lines,
    const std::vector<absl::string_view>& sections) {
  std::map<std::string, size_t> last;
  std::map<std::string, bool> closed;
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string section(sections[i]);
    if (i > 0 && lines[i].kind == LineKind::kSection) {
      closed[std::string(sections[i - 1])] = true;
    }
    if (section.empty() || closed[section]) continue;
    if (lines[i].kind != LineKind::kBlank) last[section] = i;
  }
  std::map<size_t, std::string> points;
  for (const auto& [section, line] : last) points[line] = section;
  return points;
}

bool HasControlCharacter(absl::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_iscntrl(static_cast<unsigned char>(c));
  });
}

}  // namespace

std::string MergeProcessConf(absl::string_view source,
                             const std::vector<ConfProperty>& properties) {
  if (properties.empty()) return std::string(source);
  Wanted wanted;
  for (const ConfProperty& property : properties) {
    wanted[property.section][property.key] = property.value;
  }
  const std::vector<Line> lines = ParseLines(source);
  const std::vector<absl::string_view> sections = SectionsOf(lines);
  const std::vector<std::string> replaced =
      ReplaceKnown(lines, sections, wanted);
  const std::map<size_t, std::string> points = AppendPoints(lines, sections);

  // New lines end as the file's first one does.
  const absl::string_view newline =
      !lines.empty() && lines[0].end == "\r\n" ? "\r\n" : "\n";
  Output output(newline);
  for (size_t i = 0; i < lines.size(); ++i) {
    output.AppendLine(replaced[i]);
    const auto point = points.find(i);
    if (point == points.end()) continue;
    const auto section = wanted.find(point->second);
    if (section == wanted.end()) continue;
    output.AppendProperties(section->second);
    wanted.erase(section);
  }
  bool blank = lines.empty() || lines.back().kind == LineKind::kBlank;
  for (const auto& [section, missing] : wanted) {
    if (missing.empty()) continue;
    if (!blank) output.AppendLine(newline);
    output.AppendLine(absl::StrCat("[", section, "]", newline));
    output.AppendProperties(missing);
    blank = false;
  }
  return output.text();
}

std::vector<ConfProperty> ParseProcessConf(absl::string_view text) {
  const std::vector<Line> lines = ParseLines(text);
  const std::vector<absl::string_view> sections = SectionsOf(lines);
  std::vector<ConfProperty> properties;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].kind != LineKind::kProperty) continue;
    properties.push_back({.section = std::string(sections[i]),
                          .key = std::string(lines[i].name),
                          .value = std::string(lines[i].value)});
  }
  return properties;
}

absl::Status CheckConfProperty(const ConfProperty& property) {
  // The value may be a secret and stays out of the message; what else is shown
  // may itself hold anything.
  const std::string name =
      absl::CHexEscape(absl::StrCat(property.section, ".", property.key));
  const auto refuse = [&](absl::string_view cause) {
    return absl::InvalidArgumentError(
        absl::StrCat("property ", name, ": ", cause));
  };
  if (property.section.empty()) return refuse("empty section");
  if (property.key.empty()) return refuse("empty key");
  if (HasControlCharacter(property.section) ||
      HasControlCharacter(property.key) ||
      HasControlCharacter(property.value)) {
    return refuse("control character");
  }
  if (property.section.find(']') != std::string::npos) {
    return refuse("\"]\" in the section");
  }
  if (property.key.find(' ') != std::string::npos) {
    return refuse("blank in the key");
  }
  // Such a line would read as a comment or a section header.
  if (property.key[0] == '#' || property.key[0] == '[') {
    return refuse("key starts with \"#\" or \"[\"");
  }
  return absl::OkStatus();
}

}  // namespace oneagent
