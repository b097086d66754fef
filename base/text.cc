#include "base/text.h"

#include <cstdint>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace oneagent {
namespace {

uint8_t Byte(char c) { return static_cast<uint8_t>(c); }

bool IsContinuation(char c) { return (Byte(c) & 0xC0) == 0x80; }

}  // namespace

size_t Utf8SequenceLength(absl::string_view text) {
  const uint8_t lead = Byte(text[0]);
  if (lead < 0x80) return 1;
  size_t length = 0;
  if (lead >= 0xC2 && lead <= 0xDF) length = 2;
  if (lead >= 0xE0 && lead <= 0xEF) length = 3;
  if (lead >= 0xF0 && lead <= 0xF4) length = 4;
  if (length == 0 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!IsContinuation(text[i])) return 0;
  }
  const uint8_t second = Byte(text[1]);
  if (lead == 0xE0 && second < 0xA0) return 0;
  if (lead == 0xED && second > 0x9F) return 0;
  if (lead == 0xF0 && second < 0x90) return 0;
  if (lead == 0xF4 && second > 0x8F) return 0;
  return length;
}

bool IsControlSequence(absl::string_view sequence) {
  const uint8_t lead = Byte(sequence[0]);
  if (sequence.size() == 1) return lead < 0x20 || lead == 0x7F;
  const uint8_t second = Byte(sequence[1]);
  if (sequence.size() == 2) {
    return (lead == 0xC2 && second < 0xA0) ||  // C1
           (lead == 0xD8 && second == 0x9C);   // U+061C
  }
  if (sequence.size() != 3 || lead != 0xE2) return false;
  const uint8_t third = Byte(sequence[2]);
  // U+200E, U+200F; U+2028 to U+202E; U+2066 to U+2069.
  return (second == 0x80 && (third == 0x8E || third == 0x8F ||
                             (third >= 0xA8 && third <= 0xAE))) ||
         (second == 0x81 && third >= 0xA6 && third <= 0xA9);
}

std::string CutText(absl::string_view text, size_t most) {
  if (text.size() <= most) return std::string(text);
  // A character has at most three bytes after its first.
  const size_t least = most < 3 ? 0 : most - 3;
  size_t end = most;
  while (end > least && IsContinuation(text[end])) --end;
  return absl::StrCat(text.substr(0, end), "...");
}

std::string ShownText(absl::string_view text, size_t most) {
  return absl::StrCat(absl::CEscape(text.substr(0, most)),
                      text.size() > most ? "..." : "");
}

}  // namespace oneagent
