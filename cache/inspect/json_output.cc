#include "cache/inspect/json_output.h"

#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include <string>

namespace oneagent {

std::string JsonObject(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  std::string text;
  // Our messages hold valid UTF-8 and no Any: they always print.
  (void)google::protobuf::util::MessageToJsonString(message, &text, options);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace oneagent
