// Protobuf's JSON mapping with our error texts. Unknown fields are ignored.
#ifndef PROTO_JSON_H_
#define PROTO_JSON_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace google::protobuf {
class Message;
}  // namespace google::protobuf

namespace oneagent {

// Fills `message` from JSON. InvalidArgument with protobuf's cause; the
// message is then unspecified. Text that is not JSON never crashes.
absl::Status ParseJson(absl::string_view text,
                       google::protobuf::Message* message);

// JSON with two-space indentation and a newline at the end; proto names are
// written in lowerCamelCase. Default values are left out.
std::string PrintJson(const google::protobuf::Message& message);

}  // namespace oneagent

#endif  // PROTO_JSON_H_
