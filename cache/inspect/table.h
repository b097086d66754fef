// Text for eyes: aligned tables, sizes, ages, and words from strangers made
// harmless. Pure, thread-safe.
//
//   Table table({{"ID"}, {"SIZE", Align::kRight}});
//   table.AddRow({{"3f2a…"}, {HumanBytes(412'000'000)}});
//   out << table.Format(Paint::kOff);
//
// Every cell passes through TerminalText: pod names, reasons and versions come
// from outside and must not move a terminal's cursor.
#ifndef CACHE_INSPECT_TABLE_H_
#define CACHE_INSPECT_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace oneagent {

enum class Align { kLeft, kRight };
enum class Tone { kPlain, kGood, kWaiting, kBad };
enum class Paint { kOff, kOn };  // kOn: the output is a terminal

struct Column {
  std::string header;
  Align align = Align::kLeft;
};

struct Cell {
  std::string text;
  Tone tone = Tone::kPlain;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns);

  // `cells`: one for each column. An empty text is shown as "-".
  void AddRow(std::vector<Cell> cells);

  // Header and rows, columns as wide as their widest cell, two blanks apart,
  // no blanks at a line's end. The header alone when there are no rows.
  std::string Format(Paint paint) const;

 private:
  const std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

// "name:  value" lines, the values aligned.
struct Field {
  std::string name;
  std::string value;
};
std::string FormatFields(const std::vector<Field>& fields);

// "0 B", "999 B", "1.5 KiB", "412.0 MiB".
std::string HumanBytes(int64_t bytes);
// Time since `then`, in at most two units: "5s", "12m", "2h13m", "4d3h".
// "-" when `then` is not set, "0s" when it lies in the future.
std::string HumanAge(absl::Time then, absl::Time now);
// RFC 3339 in UTC with what is needed of the milliseconds; "" when not set.
std::string Rfc3339(absl::Time time);

// `text` as valid UTF-8 without control characters: \n, \t, \r as such
// escapes, other control characters and bytes that are no UTF-8 as \xNN.
std::string TerminalText(absl::string_view text);
// `text` with bytes that are no UTF-8 replaced by '?': for JSON.
std::string ValidUtf8(absl::string_view text);

}  // namespace oneagent

#endif  // CACHE_INSPECT_TABLE_H_
