#include "cache/http/http_header.h"

#include <curl/curl.h>

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"

namespace oneagent {
namespace {

// A longer ETag is no ETag but an attempt on our memory.
constexpr size_t kMaxETag = 512;

// Digits and nothing else: SimpleAtoi alone takes signs and blanks too.
bool ParseNumber(absl::string_view text, int64_t* number) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c >= '0' && c <= '9';
  }) && absl::SimpleAtoi(text, number);
}

}  // namespace

std::optional<ContentRange> ParseContentRange(absl::string_view value) {
  absl::string_view text = absl::StripAsciiWhitespace(value);
  if (!absl::ConsumePrefix(&text, "bytes ")) return std::nullopt;
  const size_t slash = text.find('/');
  if (slash == absl::string_view::npos) return std::nullopt;
  ContentRange range;
  const absl::string_view total = text.substr(slash + 1);
  if (total != "*" && !ParseNumber(total, &range.total)) return std::nullopt;
  const absl::string_view part = text.substr(0, slash);
  if (part == "*") {
    if (range.total < 0) return std::nullopt;
    return range;
  }
  const size_t dash = part.find('-');
  if (dash == absl::string_view::npos ||
      !ParseNumber(part.substr(0, dash), &range.first) ||
      !ParseNumber(part.substr(dash + 1), &range.last) ||
      range.first > range.last ||
      (range.total >= 0 && range.last >= range.total)) {
    return std::nullopt;
  }
  return range;
}

std::optional<absl::Duration> ParseRetryAfter(absl::string_view value,
                                              absl::Time now) {
  const std::string text(absl::StripAsciiWhitespace(value));
  int64_t seconds = 0;
  if (ParseNumber(text, &seconds)) return absl::Seconds(seconds);
  // curl_getdate reads every form that RFC 9110 5.6.7 allows; thread-safe.
  const time_t date = curl_getdate(text.c_str(), nullptr);
  if (date < 0) return std::nullopt;
  return std::max(absl::ZeroDuration(), absl::FromTimeT(date) - now);
}

bool IsPageType(absl::string_view value) {
  const absl::string_view type =
      absl::StripAsciiWhitespace(value.substr(0, value.find(';')));
  return absl::EqualsIgnoreCase(type, "text/html") ||
         absl::EqualsIgnoreCase(type, "application/xhtml+xml");
}

absl::string_view StrongETag(absl::string_view value) {
  const bool strong =
      value.size() >= 2 && value.size() <= kMaxETag && value.front() == '"' &&
      value.back() == '"' &&
      std::all_of(value.begin(), value.end(), [](char c) {
        return absl::ascii_isgraph(static_cast<unsigned char>(c));
      });
  return strong ? value : absl::string_view();
}

}  // namespace oneagent
