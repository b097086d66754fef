#include "cache/kube/watch_decoder.h"

#include <array>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "cache/http/curl.h"
#include "proto/json.h"
#include "proto/kube_api.pb.h"

namespace oneagent {
namespace {

// Of a Status; also of a name or a version, which are much shorter.
constexpr size_t kMaxText = 500;

std::optional<WatchEvent::Type> TypeOf(absl::string_view text) {
  using Type = WatchEvent::Type;
  constexpr std::array<std::pair<absl::string_view, Type>, 5> kTypes = {{
      {"ADDED", Type::kAdded},
      {"MODIFIED", Type::kModified},
      {"DELETED", Type::kDeleted},
      {"BOOKMARK", Type::kBookmark},
      {"ERROR", Type::kError},
  }};
  for (const auto& [name, type] : kTypes) {
    if (name == text) return type;
  }
  return std::nullopt;
}

absl::StatusOr<WatchEvent> DecodeLine(std::string line) {
  v1::WatchLine parsed;
  // The parser's own text may hold a value of a Secret.
  if (!ParseJson(line, &parsed).ok()) {
    return absl::InvalidArgumentError("watch: a line that is no event");
  }
  const std::optional<WatchEvent::Type> type = TypeOf(parsed.type());
  if (!type.has_value()) {
    return absl::InvalidArgumentError("watch: an event of an unknown type");
  }
  const v1::WatchedObject& object = parsed.object();
  WatchEvent event;
  event.type = *type;
  event.name = object.metadata().name();
  event.resource_version = object.metadata().resource_version();
  if (event.type == WatchEvent::Type::kError) {
    event.code = object.code();
    event.reason = PrintableText(object.reason().substr(0, kMaxText));
    event.message = PrintableText(object.message().substr(0, kMaxText));
  } else if (event.resource_version.empty() ||
             event.resource_version.size() > kMaxText ||
             event.name.size() > kMaxText ||
             (event.name.empty() &&
              event.type != WatchEvent::Type::kBookmark)) {
    return absl::InvalidArgumentError(
        "watch: an object without name or resource version");
  }
  event.line = std::move(line);
  return event;
}

}  // namespace

absl::Status WatchDecoder::Feed(absl::string_view bytes,
                                std::vector<WatchEvent>* events) {
  while (broken_.ok() && !bytes.empty()) {
    const size_t end = bytes.find('\n');
    const absl::string_view piece = bytes.substr(0, end);
    if (partial_.size() + piece.size() > kMaxLine) {
      broken_ = absl::ResourceExhaustedError(
          absl::StrCat("watch: a line longer than ", kMaxLine, " bytes"));
      break;
    }
    partial_.append(piece.data(), piece.size());
    if (end == absl::string_view::npos) break;
    bytes.remove_prefix(end + 1);
    std::string line = std::exchange(partial_, "");
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    absl::StatusOr<WatchEvent> event = DecodeLine(std::move(line));
    if (!event.ok()) {
      broken_ = event.status();
      break;
    }
    events->push_back(*std::move(event));
  }
  if (!broken_.ok()) partial_ = std::string();
  return broken_;
}

}  // namespace oneagent
