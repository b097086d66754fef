// Text for scripts: messages of proto/inspect.proto by protobuf's JSON
// mapping, every key present, in the order of the fields. Pure, thread-safe.
#ifndef CACHE_INSPECT_JSON_OUTPUT_H_
#define CACHE_INSPECT_JSON_OUTPUT_H_

#include <string>
#include <vector>

#include "absl/strings/str_join.h"

namespace google::protobuf {
class Message;
}  // namespace google::protobuf

namespace oneagent {

// Indented, without a newline at the end. The strings of `message` must be
// valid UTF-8 (ValidUtf8).
std::string JsonObject(const google::protobuf::Message& message);

// A JSON array of the messages and a newline. (protobuf prints no bare array
// but of google.protobuf.Value, which loses the order of keys.)
template <typename M>
std::string JsonArray(const std::vector<M>& messages) {
  if (messages.empty()) return "[]\n";
  return "[\n" +
         absl::StrJoin(messages, ",\n",
                       [](std::string* out, const M& message) {
                         *out += JsonObject(message);
                       }) +
         "\n]\n";
}

}  // namespace oneagent

#endif  // CACHE_INSPECT_JSON_OUTPUT_H_
