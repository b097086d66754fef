#include "tests/support/http_client.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace oneagent {

sockaddr_in LoopbackAddress(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

UniqueFd ConnectLoopback(int port) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = LoopbackAddress(port);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
              sizeof(address)) != 0) {
    fd.Reset();
  }
  return fd;
}

bool SendAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

std::string ReceiveAll(int fd, size_t limit) {
  std::string received;
  char buffer[4096];
  while (received.size() < limit) {
    const ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
    if (got <= 0) break;
    received.append(buffer, static_cast<size_t>(got));
  }
  return received;
}

HttpReply HttpAsk(int port, absl::string_view path, absl::string_view method) {
  const UniqueFd fd = ConnectLoopback(port);
  HttpReply reply;
  if (!fd.ok() ||
      !SendAll(fd.get(),
               absl::StrCat(method, " ", path,
                            " HTTP/1.1\r\nHost: localhost\r\n\r\n"))) {
    return reply;
  }
  const std::string received = ReceiveAll(fd.get());
  const size_t end = received.find("\r\n\r\n");
  if (end == std::string::npos) return reply;
  reply.head = received.substr(0, end + 2);
  reply.body = received.substr(end + 4);
  const std::string status = reply.head.substr(0, 12);  // "HTTP/1.1 200"
  if (!absl::SimpleAtoi(status.substr(std::min<size_t>(9, status.size())),
                        &reply.status)) {
    reply.status = 0;
  }
  return reply;
}

int FreePort() {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = LoopbackAddress(0);
  socklen_t size = sizeof(address);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) !=
          0) {
    return 0;
  }
  return ntohs(address.sin_port);
}

}  // namespace oneagent
