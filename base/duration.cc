#include "base/duration.h"

#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace oneagent {
namespace {

struct Unit {
  absl::string_view name;
  absl::Duration length;
};

// Longer names first: "ms" before "m".
const Unit kUnits[] = {
    {"ns", absl::Nanoseconds(1)},
    {"us", absl::Microseconds(1)},
    {"\xC2\xB5s", absl::Microseconds(1)},
    {"\xCE\xBCs", absl::Microseconds(1)},
    {"ms", absl::Milliseconds(1)},
    {"s", absl::Seconds(1)},
    {"m", absl::Minutes(1)},
    {"h", absl::Hours(1)},
};

// Go keeps nanoseconds in an int64.
const absl::Duration kLongest =
    absl::Nanoseconds(std::numeric_limits<int64_t>::max());

absl::Status Malformed(absl::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("duration \"", text, "\": not of the form 1h2m3.5s"));
}

absl::string_view TakeDigits(absl::string_view& rest) {
  size_t count = 0;
  while (count < rest.size() &&
         absl::ascii_isdigit(static_cast<unsigned char>(rest[count]))) {
    ++count;
  }
  const absl::string_view digits = rest.substr(0, count);
  rest.remove_prefix(count);
  return digits;
}

}  // namespace

absl::StatusOr<absl::Duration> ParseGoDuration(absl::string_view text) {
  absl::string_view rest = text;
  absl::ConsumePrefix(&rest, "+");
  if (rest == "0") return absl::ZeroDuration();
  if (rest.empty()) return Malformed(text);
  absl::Duration total;
  while (!rest.empty()) {
    const absl::string_view whole = TakeDigits(rest);
    absl::string_view fraction;
    if (absl::ConsumePrefix(&rest, ".")) fraction = TakeDigits(rest);
    if (whole.empty() && fraction.empty()) return Malformed(text);
    const Unit* unit = nullptr;
    for (const Unit& candidate : kUnits) {
      if (absl::ConsumePrefix(&rest, candidate.name)) {
        unit = &candidate;
        break;
      }
    }
    if (unit == nullptr) return Malformed(text);
    absl::Duration part;
    for (const char digit : whole) {
      part = part * 10 + unit->length * (digit - '0');
    }
    absl::Duration scale = unit->length;
    for (const char digit : fraction) {
      scale /= 10;
      part += scale * (digit - '0');
    }
    total += part;
    if (total > kLongest) return Malformed(text);
  }
  return total;
}

std::string FormatGoDuration(absl::Duration duration) {
  if (duration == absl::ZeroDuration()) return "0s";
  std::string text;
  const int64_t hours = absl::IDivDuration(duration, absl::Hours(1), &duration);
  const int64_t minutes =
      absl::IDivDuration(duration, absl::Minutes(1), &duration);
  if (hours > 0) absl::StrAppend(&text, hours, "h");
  if (hours > 0 || minutes > 0) absl::StrAppend(&text, minutes, "m");
  if (text.empty() && duration < absl::Seconds(1)) {
    return absl::FormatDuration(duration);
  }
  absl::StrAppend(&text, absl::ToDoubleSeconds(duration), "s");
  return text;
}

}  // namespace oneagent
