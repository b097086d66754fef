#include "tests/support/loopback_proxy.h"

#include <poll.h>
#include <sys/socket.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/support/http_client.h"

namespace oneagent {
namespace {

// Head of a request with its empty line; "" when the peer went away.
std::string ReadHead(int fd) {
  std::string head;
  while (!absl::EndsWith(head, "\r\n\r\n")) {
    char c = 0;
    if (recv(fd, &c, 1, 0) != 1) return "";
    head.push_back(c);
  }
  return head;
}

// Both ways, until one side ends or the proxy is stopped.
void Pump(int a, int b, int stop) {
  std::string buffer(64 << 10, '\0');
  while (true) {
    pollfd fds[] = {{a, POLLIN, 0}, {b, POLLIN, 0}, {stop, POLLIN, 0}};
    if (poll(fds, 3, -1) < 0 || fds[2].revents != 0) return;
    for (int i = 0; i < 2; ++i) {
      if (fds[i].revents == 0) continue;
      const ssize_t got = recv(fds[i].fd, buffer.data(), buffer.size(), 0);
      if (got <= 0) return;
      if (!SendAll(fds[1 - i].fd, buffer.substr(0, static_cast<size_t>(got)))) {
        return;
      }
    }
  }
}

}  // namespace

LoopbackProxy::LoopbackProxy(std::string credentials,
                             std::vector<std::string> offers)
    : credentials_(std::move(credentials)),
      offers_(std::move(offers)),
      acceptor_([this](UniqueFd client) { Serve(std::move(client)); }) {}

std::vector<std::string> LoopbackProxy::Requests() const {
  MutexLock lock(mu_);
  return requests_;
}

void LoopbackProxy::Serve(UniqueFd client) {
  const std::string head = ReadHead(client.get());
  if (head.empty()) return;
  {
    MutexLock lock(mu_);
    requests_.push_back(head);
  }
  if (!credentials_.empty() &&
      !absl::StrContains(head,
                         absl::StrCat("Proxy-Authorization: Basic ",
                                      absl::Base64Escape(credentials_)))) {
    std::string refusal = "HTTP/1.1 407 Proxy Authentication Required\r\n";
    for (const std::string& offer : offers_) {
      absl::StrAppend(&refusal, "Proxy-Authenticate: ", offer, "\r\n");
    }
    SendAll(client.get(),
            absl::StrCat(refusal,
                         "Content-Length: 0\r\nConnection: close\r\n\r\n"));
    return;
  }
  // "CONNECT host:port HTTP/1.1" or "GET http://host:port/path HTTP/1.1".
  const std::vector<std::string> words =
      absl::StrSplit(head.substr(0, head.find('\r')), ' ');
  const bool tunnel = words[0] == "CONNECT";
  const size_t scheme = tunnel ? 0 : std::string("http://").size();
  const size_t slash = words[1].find('/', scheme);
  const std::string authority = words[1].substr(scheme, slash - scheme);
  int port = 80;
  (void)absl::SimpleAtoi(authority.substr(authority.find(':') + 1), &port);
  const UniqueFd server = ConnectLoopback(port);
  if (!server.ok()) {
    SendAll(client.get(), "HTTP/1.1 502 Bad Gateway\r\n\r\n");
    return;
  }
  if (tunnel) {
    if (!SendAll(client.get(), "HTTP/1.1 200 Connected\r\n\r\n")) return;
  } else {
    const std::string rest = head.substr(head.find('\r'));
    if (!SendAll(server.get(),
                 absl::StrCat(words[0], " ", words[1].substr(slash), " ",
                              words[2], rest))) {
      return;
    }
  }
  Pump(client.get(), server.get(), acceptor_.stop_fd());
}

}  // namespace oneagent
