#include "tests/support/loopback_acceptor.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <utility>
#include <vector>

#include "tests/support/http_client.h"

namespace oneagent {

LoopbackAcceptor::LoopbackAcceptor(std::function<void(UniqueFd)> serve)
    : serve_(std::move(serve)),
      listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      stop_(eventfd(0, EFD_CLOEXEC)) {
  sockaddr_in address = LoopbackAddress(0);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener_.get(), generic, size) != 0 ||
      listen(listener_.get(), 64) != 0 ||
      getsockname(listener_.get(), generic, &size) != 0) {
    abort();
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Accept(); });
}

LoopbackAcceptor::~LoopbackAcceptor() {
  if (eventfd_write(stop_.get(), 1) != 0) abort();
  thread_.join();
}

void LoopbackAcceptor::Accept() {
  std::vector<std::thread> serving;
  while (true) {
    pollfd fds[] = {{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (poll(fds, 2, -1) < 0 || fds[1].revents != 0) break;
    UniqueFd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client.ok()) continue;
    serving.emplace_back(
        [this, fd = client.Release()] { serve_(UniqueFd(fd)); });
  }
  for (std::thread& thread : serving) thread.join();
}

}  // namespace oneagent
