// Whatever comes out of a watch, in whatever pieces: events that keep their
// promises, or one error without a value of an object; and the same whether it
// comes whole or byte by byte.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "cache/kube/watch_decoder.h"

namespace {

using oneagent::WatchDecoder;
using oneagent::WatchEvent;

void Check(bool holds) {
  if (!holds) abort();
}

struct Decoded {
  std::vector<WatchEvent> events;
  absl::Status status;
};

Decoded Decode(absl::string_view input, size_t piece) {
  Decoded decoded;
  WatchDecoder decoder;
  for (size_t at = 0; at < input.size(); at += piece) {
    decoded.status = decoder.Feed(input.substr(at, piece), &decoded.events);
  }
  return decoded;
}

void CheckEvent(const WatchEvent& event) {
  Check(event.line.find('\n') == std::string::npos);
  Check(event.message.find_first_of("\r\n") == std::string::npos);
  if (event.type == WatchEvent::Type::kError) return;
  Check(!event.resource_version.empty());
  Check(!event.name.empty() || event.type == WatchEvent::Type::kBookmark);
}

}  // namespace

// The first byte says how long the pieces are.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view input(reinterpret_cast<const char*>(data) + 1,
                                size - 1);
  const Decoded whole = Decode(input, input.size() + 1);
  const Decoded pieces = Decode(input, data[0] % 16u + 1);
  Check(whole.status == pieces.status);
  Check(whole.events.size() == pieces.events.size());
  for (size_t i = 0; i < whole.events.size(); ++i) {
    CheckEvent(whole.events[i]);
    Check(whole.events[i].line == pieces.events[i].line);
  }
  Check(!absl::StrContains(whole.status.message(), "SECRET"));
  return 0;
}
