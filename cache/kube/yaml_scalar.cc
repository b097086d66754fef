#include "cache/kube/yaml_scalar.h"

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace oneagent {
namespace {

absl::string_view TakeDigits(absl::string_view* text) {
  size_t n = 0;
  while (n < text->size() &&
         absl::ascii_isdigit(static_cast<unsigned char>((*text)[n]))) {
    ++n;
  }
  const absl::string_view digits = text->substr(0, n);
  text->remove_prefix(n);
  return digits;
}

std::optional<std::string> OctalOrHex(absl::string_view text) {
  uint64_t value = 0;
  if (absl::ConsumePrefix(&text, "0x")) {
    // SimpleHexAtoi takes signs, blanks and a second 0x.
    if (text.empty() || text.size() > 16 ||
        text.find_first_not_of("0123456789abcdefABCDEF") !=
            absl::string_view::npos) {
      return std::nullopt;
    }
    if (!absl::SimpleHexAtoi(text, &value)) return std::nullopt;
    return absl::StrCat(value);
  }
  if (!absl::ConsumePrefix(&text, "0o")) return std::nullopt;
  if (text.empty() || text.size() > 21 ||
      text.find_first_not_of("01234567") != absl::string_view::npos) {
    return std::nullopt;
  }
  for (const char c : text) value = value * 8 + static_cast<uint64_t>(c - '0');
  return absl::StrCat(value);
}

// A number of the core schema in JSON's spelling.
std::optional<std::string> JsonNumber(absl::string_view text) {
  // Nothing that we read has more digits, and conversion costs.
  constexpr size_t kLongest = 64;
  if (text.empty() || text.size() > kLongest) return std::nullopt;
  if (std::optional<std::string> number = OctalOrHex(text)) return number;
  std::string out;
  if (absl::ConsumePrefix(&text, "-")) {
    out = "-";
  } else {
    absl::ConsumePrefix(&text, "+");
  }
  absl::string_view whole = TakeDigits(&text);
  absl::string_view fraction;
  if (absl::ConsumePrefix(&text, ".")) fraction = TakeDigits(&text);
  if (whole.empty() && fraction.empty()) return std::nullopt;
  while (whole.size() > 1 && whole[0] == '0') whole.remove_prefix(1);
  absl::StrAppend(&out, whole.empty() ? "0" : whole);
  if (!fraction.empty()) absl::StrAppend(&out, ".", fraction);
  if (absl::ConsumePrefix(&text, "e") || absl::ConsumePrefix(&text, "E")) {
    const bool minus = absl::ConsumePrefix(&text, "-");
    if (!minus) absl::ConsumePrefix(&text, "+");
    const absl::string_view exponent = TakeDigits(&text);
    if (exponent.empty()) return std::nullopt;
    absl::StrAppend(&out, minus ? "e-" : "e", exponent);
  }
  double value = 0;
  if (!text.empty() || !absl::SimpleAtod(out, &value) ||
      !std::isfinite(value)) {
    return std::nullopt;
  }
  return out;
}

}  // namespace

std::string PlainScalarJson(absl::string_view text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" ||
      text == "NULL") {
    return "null";
  }
  if (text == "true" || text == "True" || text == "TRUE") return "true";
  if (text == "false" || text == "False" || text == "FALSE") return "false";
  if (std::optional<std::string> number = JsonNumber(text)) return *number;
  return JsonString(text);
}

std::string JsonString(absl::string_view value) {
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(&out, "\\u%04x", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  out += '"';
  return out;
}

}  // namespace oneagent
