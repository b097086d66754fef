#include "cache/inspect/table.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "base/text.h"

namespace oneagent {
namespace {

constexpr char kBold[] = "\x1b[1m";
constexpr char kGreen[] = "\x1b[32m";
constexpr char kYellow[] = "\x1b[33m";
constexpr char kRed[] = "\x1b[31m";
constexpr char kReset[] = "\x1b[0m";

const char* ColourOf(Tone tone) {
  switch (tone) {
    case Tone::kPlain:
      return "";
    case Tone::kGood:
      return kGreen;
    case Tone::kWaiting:
      return kYellow;
    case Tone::kBad:
      return kRed;
  }
  return "";
}

uint8_t Byte(char c) { return static_cast<uint8_t>(c); }

void AppendEscaped(absl::string_view bytes, std::string* out) {
  for (const char c : bytes) {
    switch (c) {
      case '\n':
        absl::StrAppend(out, "\\n");
        break;
      case '\t':
        absl::StrAppend(out, "\\t");
        break;
      case '\r':
        absl::StrAppend(out, "\\r");
        break;
      default:
        absl::StrAppendFormat(out, "\\x%02x", Byte(c));
    }
  }
}

size_t Width(absl::string_view text) {
  size_t width = 0;
  for (const char c : text) width += (Byte(c) & 0xC0) != 0x80 ? 1u : 0u;
  return width;
}

std::string Padded(absl::string_view text, size_t width, Align align,
                   absl::string_view colour) {
  const size_t used = Width(text);
  const std::string blanks(width > used ? width - used : 0, ' ');
  const std::string painted =
      colour.empty() ? std::string(text) : absl::StrCat(colour, text, kReset);
  return align == Align::kRight ? absl::StrCat(blanks, painted)
                                : absl::StrCat(painted, blanks);
}

}  // namespace

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::AddRow(std::vector<Cell> cells) {
  cells.resize(columns_.size());
  for (Cell& cell : cells) {
    cell.text = cell.text.empty() ? "-" : TerminalText(cell.text);
  }
  rows_.push_back(std::move(cells));
}

std::string Table::Format(Paint paint) const {
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    size_t width = Width(columns_[i].header);
    for (const std::vector<Cell>& row : rows_) {
      width = std::max(width, Width(row[i].text));
    }
    widths.push_back(width);
  }
  // A left-aligned last column is not padded: no blanks at a line's end.
  if (!columns_.empty() && columns_.back().align == Align::kLeft) {
    widths.back() = 0;
  }
  const bool painted = paint == Paint::kOn;
  std::string text;
  for (size_t i = 0; i < columns_.size(); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : "  ",
                    Padded(columns_[i].header, widths[i], columns_[i].align,
                           painted ? kBold : ""));
  }
  text += '\n';
  for (const std::vector<Cell>& row : rows_) {
    for (size_t i = 0; i < columns_.size(); ++i) {
      absl::StrAppend(&text, i == 0 ? "" : "  ",
                      Padded(row[i].text, widths[i], columns_[i].align,
                             painted ? ColourOf(row[i].tone) : ""));
    }
    text += '\n';
  }
  return text;
}

std::string FormatFields(const std::vector<Field>& fields) {
  size_t width = 0;
  for (const Field& field : fields) width = std::max(width, field.name.size());
  std::string text;
  for (const Field& field : fields) {
    absl::StrAppend(
        &text, field.name, ":", std::string(width - field.name.size() + 2, ' '),
        field.value.empty() ? "-" : TerminalText(field.value), "\n");
  }
  return text;
}

std::string HumanBytes(int64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  constexpr std::array<const char*, 5> kUnits = {"KiB", "MiB", "GiB", "TiB",
                                                 "PiB"};
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  // 1023.95 would be printed as "1024.0".
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return absl::StrFormat("%.1f %s", value, kUnits[unit]);
}

std::string HumanAge(absl::Time then, absl::Time now) {
  if (then == absl::InfinitePast()) return "-";
  const int64_t seconds =
      std::max<int64_t>(0, absl::ToInt64Seconds(now - then));
  if (seconds < 60) return absl::StrCat(seconds, "s");
  const int64_t minutes = seconds / 60;
  if (minutes < 60) return absl::StrCat(minutes, "m");
  const int64_t hours = minutes / 60;
  if (hours < 24) {
    return minutes % 60 == 0 ? absl::StrCat(hours, "h")
                             : absl::StrCat(hours, "h", minutes % 60, "m");
  }
  return hours % 24 == 0 ? absl::StrCat(hours / 24, "d")
                         : absl::StrCat(hours / 24, "d", hours % 24, "h");
}

std::string Rfc3339(absl::Time time) {
  if (time == absl::InfinitePast()) return "";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

std::string TerminalText(absl::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t length = Utf8SequenceLength(text);
    const absl::string_view sequence =
        text.substr(0, std::max<size_t>(length, 1));
    if (length == 0 || IsControlSequence(sequence)) {
      AppendEscaped(sequence, &out);
    } else {
      absl::StrAppend(&out, sequence);
    }
    text.remove_prefix(sequence.size());
  }
  return out;
}

std::string ValidUtf8(absl::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t length = Utf8SequenceLength(text);
    absl::StrAppend(&out, length == 0 ? "?" : text.substr(0, length));
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return out;
}

}  // namespace oneagent
