// The address a mounter listens on, as kubelet's world writes it. Pure.
#ifndef CSI_ENDPOINT_H_
#define CSI_ENDPOINT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace oneagent {

// The socket's path of "unix:/p", "unix:///p" or "/p". InvalidArgument naming
// the endpoint for every other form: another scheme, a relative path, a
// directory, a NUL, more than the 107 bytes that a socket's path may have.
absl::StatusOr<std::string> ParseEndpoint(absl::string_view endpoint);

}  // namespace oneagent

#endif  // CSI_ENDPOINT_H_
