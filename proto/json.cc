#include "proto/json.h"

#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include <string>

namespace oneagent {

absl::Status ParseJson(absl::string_view text,
                       google::protobuf::Message* message) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const google::protobuf::util::Status status =
      google::protobuf::util::JsonStringToMessage(
          google::protobuf::StringPiece(text.data(), text.size()), message,
          options);
  if (status.ok()) return absl::OkStatus();
  const std::string cause(status.message().data(), status.message().size());
  return absl::InvalidArgumentError(cause);
}

std::string PrintJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  std::string text;
  // A message of ours always prints; a failure leaves what was written.
  (void)google::protobuf::util::MessageToJsonString(message, &text, options);
  return text;
}

}  // namespace oneagent
