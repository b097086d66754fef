#include "tests/soak/hasty_call.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/posix_status.h"
#include "base/unique_fd.h"
#include "tests/support/http2_frames.h"

namespace oneagent {

absl::Status CallAndLeave(const HastyCall& call) {
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (call.socket_path.size() >= sizeof(address.sun_path)) abort();
  memcpy(address.sun_path, call.socket_path.data(), call.socket_path.size());
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto unavailable = [&call] {
    return WithCode(PosixStatus(call.socket_path, errno),
                    absl::StatusCode::kUnavailable);
  };
  if (connect(fd.get(), reinterpret_cast<struct sockaddr*>(&address),
              sizeof(address)) != 0) {
    return unavailable();
  }
  GrpcRequestParts parts{.path = call.path, .message = call.message};
  if (call.says_haste) {
    parts.more_headers.emplace_back(
        "grpc-timeout",
        absl::StrCat(absl::ToInt64Milliseconds(call.haste) + 1, "m"));
  }
  const std::string bytes =
      absl::StrCat(ClientPreface(), GrpcRequest(1, parts));
  const ssize_t sent = send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent < 0) return unavailable();
  absl::SleepFor(call.haste);
  return absl::CancelledError("the client is gone");
}

}  // namespace oneagent
