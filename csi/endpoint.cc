#include "csi/endpoint.h"

#include <sys/un.h>

#include <cstddef>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace oneagent {
namespace {

// sun_path with room for its NUL.
constexpr size_t kLongestPath = sizeof(sockaddr_un::sun_path) - 1;

absl::Status Refuse(absl::string_view endpoint, absl::string_view cause) {
  return absl::InvalidArgumentError(
      absl::StrCat(absl::CHexEscape(endpoint), ": ", cause));
}

}  // namespace

absl::StatusOr<std::string> ParseEndpoint(absl::string_view endpoint) {
  absl::string_view path = endpoint;
  if (absl::ConsumePrefix(&path, "unix:")) absl::ConsumePrefix(&path, "//");
  if (path.empty() || path.front() != '/') {
    return Refuse(endpoint,
                  "endpoint is not unix:/path, unix:///path or /path");
  }
  if (path.find('\0') != absl::string_view::npos) {
    return Refuse(endpoint, "endpoint contains a NUL");
  }
  if (path.back() == '/') return Refuse(endpoint, "endpoint is a directory");
  if (path.size() > kLongestPath) {
    return Refuse(endpoint, absl::StrCat("socket path has ", path.size(),
                                         " bytes, more than ", kLongestPath));
  }
  return std::string(path);
}

}  // namespace oneagent
