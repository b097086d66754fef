// HTTP as a test wants it: one whole request by bytes over loopback, and the
// sockets for those that are not whole. Thread-safe.
#ifndef TESTS_SUPPORT_HTTP_CLIENT_H_
#define TESTS_SUPPORT_HTTP_CLIENT_H_

#include <netinet/in.h>

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace oneagent {

struct HttpReply {
  int status = 0;  // 0: no answer
  std::string head;
  std::string body;
};

sockaddr_in LoopbackAddress(int port);
// A new connection to 127.0.0.1; not ok() when nobody listens.
UniqueFd ConnectLoopback(int port);
// False when the peer went away.
bool SendAll(int fd, absl::string_view bytes);
// All until the peer closes; at most `limit` bytes.
std::string ReceiveAll(int fd, size_t limit = 16 << 20);

HttpReply HttpAsk(int port, absl::string_view path,
                  absl::string_view method = "GET");

// A free port of 127.0.0.1, for who must know it before the listener is there.
int FreePort();

}  // namespace oneagent

#endif  // TESTS_SUPPORT_HTTP_CLIENT_H_
