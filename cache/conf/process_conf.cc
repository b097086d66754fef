#include "cache/conf/process_conf.h"

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>
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

// The lines of a text, one after the other: a file may have a million.
class Lines {
 public:
  explicit Lines(absl::string_view text) : text_(text), left_(text) {}

  bool Next(Line& line) {
    if (left_.empty()) return false;
    const size_t newline = left_.find('\n');
    const size_t size =
        newline == absl::string_view::npos ? left_.size() : newline + 1;
    line = ParseLine(left_.substr(0, size));
    left_.remove_prefix(size);
    return true;
  }
  // Bytes of the text up to the end of the last line.
  size_t offset() const { return text_.size() - left_.size(); }

 private:
  const absl::string_view text_;
  absl::string_view left_;
};

// Found by a view of a key, without a copy of it for each line.
using Properties = std::map<std::string, std::string, std::less<>>;

// What is wanted of one section, and where the file has it.
struct Section {
  Properties properties;  // the last one of equal keys
  Properties missing;     // those that have no line yet
  // The end of the last line that is not blank in the section's first
  // occurrence: there the missing ones go. 0: the file has no such section.
  size_t append_at = 0;
  bool is_closed = false;  // its first occurrence is over
};
using Sections = std::map<std::string, Section, std::less<>>;

Sections Wanted(const std::vector<ConfProperty>& properties) {
  Sections wanted;
  for (const ConfProperty& property : properties) {
    Section& section = wanted[property.section];
    section.properties[property.key] = property.value;
    section.missing[property.key] = property.value;
  }
  return wanted;
}

// Null where nothing is wanted.
Section* Find(Sections& wanted, absl::string_view name) {
  const auto found = wanted.find(name);
  return found == wanted.end() ? nullptr : &found->second;
}

// Notes in `wanted` what `source` has. Its memory depends on `wanted` alone.
void Locate(absl::string_view source, Sections& wanted) {
  Section* section = Find(wanted, "");
  Lines lines(source);
  for (Line line; lines.Next(line);) {
    if (line.kind == LineKind::kSection) {
      if (section != nullptr) section->is_closed = true;
      section = Find(wanted, line.name);
    }
    if (section == nullptr || line.kind == LineKind::kBlank) continue;
    if (!section->is_closed) section->append_at = lines.offset();
    if (line.kind != LineKind::kProperty) continue;
    const auto missing = section->missing.find(line.name);
    if (missing != section->missing.end()) section->missing.erase(missing);
  }
}

std::string FormatProperty(absl::string_view key, absl::string_view value,
                           absl::string_view end) {
  return absl::StrCat(key, value.empty() ? "" : " ", value, end);
}

// Appends to a text whose last line may lack its terminator. What would make it
// longer than a file may be is left out, and is_full() says so.
class Output {
 public:
  explicit Output(absl::string_view newline) : newline_(newline) {}

  void AppendLine(absl::string_view line) {
    is_full_ = is_full_ || text_.size() + line.size() > kMaxProcessConf;
    if (is_full_) return;
    if (!text_.empty() && text_.back() != '\n') {
      absl::StrAppend(&text_, text_.back() == '\r' ? "\n" : newline_);
    }
    absl::StrAppend(&text_, line);
  }
  void AppendProperties(const Properties& properties) {
    for (const auto& [key, value] : properties) {
      AppendLine(FormatProperty(key, value, newline_));
    }
  }
  bool is_full() const { return is_full_; }
  std::string Take() { return std::move(text_); }

 private:
  const absl::string_view newline_;
  std::string text_;
  bool is_full_ = false;
};

// What a line is to say instead of what it says; null: it stays.
const std::string* NewValue(const Section* section, const Line& line) {
  if (section == nullptr || line.kind != LineKind::kProperty) return nullptr;
  const auto found = section->properties.find(line.name);
  return found == section->properties.end() ? nullptr : &found->second;
}

// The lines of `source`, known keys replaced (all of them where one stands
// several times: whether a reader takes the first or the last, it sees the new
// value), missing ones of known sections behind those.
void AppendLines(absl::string_view source, Sections& wanted, Output& output) {
  Section* section = Find(wanted, "");
  Lines lines(source);
  for (Line line; lines.Next(line) && !output.is_full();) {
    if (line.kind == LineKind::kSection) section = Find(wanted, line.name);
    const std::string* const value = NewValue(section, line);
    output.AppendLine(value == nullptr
                          ? std::string(line.text)
                          : FormatProperty(line.name, *value, line.end));
    if (section != nullptr && section->append_at == lines.offset()) {
      output.AppendProperties(section->missing);
    }
  }
}

bool EndsWithBlankLine(absl::string_view text) {
  absl::ConsumeSuffix(&text, "\n");
  const size_t newline = text.rfind('\n');
  if (newline != absl::string_view::npos) text.remove_prefix(newline + 1);
  return absl::StripAsciiWhitespace(text).empty();
}

absl::Status TooLong(absl::string_view what) {
  return absl::FailedPreconditionError(
      absl::StrCat(what, ": larger than ", kMaxProcessConf, " bytes"));
}

bool HasControlCharacter(absl::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_iscntrl(static_cast<unsigned char>(c));
  });
}

}  // namespace

absl::StatusOr<std::string> MergeProcessConf(
    absl::string_view source, const std::vector<ConfProperty>& properties) {
  if (source.size() > kMaxProcessConf) return TooLong("ruxitagentproc.conf");
  if (properties.empty()) return std::string(source);
  Sections wanted = Wanted(properties);
  Locate(source, wanted);

  // New lines end as the file's first one does.
  Line line;
  const bool has_lines = Lines(source).Next(line);
  const absl::string_view newline =
      has_lines && line.end == "\r\n" ? "\r\n" : "\n";
  Output output(newline);
  AppendLines(source, wanted, output);
  bool blank = EndsWithBlankLine(source);
  for (const auto& [name, section] : wanted) {
    if (section.append_at > 0 || section.missing.empty()) continue;
    if (!blank) output.AppendLine(newline);
    output.AppendLine(absl::StrCat("[", name, "]", newline));
    output.AppendProperties(section.missing);
    blank = false;
  }
  if (output.is_full()) return TooLong("merged ruxitagentproc.conf");
  return output.Take();
}

std::vector<ConfProperty> ParseProcessConf(absl::string_view text) {
  std::vector<ConfProperty> properties;
  std::string section;
  Lines lines(text);
  for (Line line; lines.Next(line);) {
    if (line.kind == LineKind::kSection) section = std::string(line.name);
    if (line.kind != LineKind::kProperty) continue;
    properties.push_back({.section = section,
                          .key = std::string(line.name),
                          .value = std::string(line.value)});
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
