// A small HTTP server for what kubelet and Prometheus ask of a daemon: GET and
// HEAD of a few fixed pages. GNU libmicrohttpd on one thread of its own.
//
//   auto listener = HttpListener::Open(
//       "127.0.0.1:9808", {{"/healthz", [] { return HttpPage{.body = "ok"};
//       }}});
//
// Whoever connects is hostile: a connection serves one request and is closed;
// one that is silent for idle_timeout is closed; when max_connections are open
// the oldest gives way to the next, so that no number of slow clients keeps an
// honest one out; a request's head has at most 16 KiB. Pages are made on the
// listener's thread, one at a time: a page that takes long makes the others of
// this listener wait. No TLS: nothing served here is secret.
#ifndef BASE_HTTP_LISTENER_H_
#define BASE_HTTP_LISTENER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/log.h"

namespace oneagent {

struct HttpPage {
  int status = 200;
  std::string body;
  std::string content_type = "text/plain; charset=utf-8";
};

// Pages by path ("/healthz"). Called on the listener's thread.
using HttpPages = std::map<std::string, std::function<HttpPage()>>;

// The text of a flag, as it is, if it is "IP:PORT", ":PORT" (every address,
// IPv6 and IPv4) or "[IPv6]:PORT". InvalidArgument, the cause alone, for
// anything else: names are not looked up, because that would open connections.
absl::StatusOr<std::string> ParseListenAddress(absl::string_view text);

class HttpListener {
 public:
  struct Options {
    int max_connections = 128;
    absl::Duration idle_timeout = absl::Seconds(5);  // at least one second
  };

  // Listens and serves when it returns. Port 0: any that is free.
  // Errors name the address: InvalidArgument as ParseListenAddress; PosixStatus
  // (another process has it, or it is none of this machine's).
  static absl::StatusOr<std::unique_ptr<HttpListener>> Open(
      absl::string_view address, HttpPages pages, Options options);
  static absl::StatusOr<std::unique_ptr<HttpListener>> Open(
      absl::string_view address, HttpPages pages) {
    return Open(address, std::move(pages), Options());
  }
  // Waits for a page that is being made; open connections are closed.
  ~HttpListener();
  HttpListener(const HttpListener&) = delete;
  HttpListener& operator=(const HttpListener&) = delete;

  uint16_t port() const { return port_; }

 private:
  struct Server;
  HttpListener(std::unique_ptr<Server> server, uint16_t port);

  const std::unique_ptr<Server> server_;
  const uint16_t port_;
};

// The listener that --<flag> asks for; null when it was not given. Logs where
// it listens; errors begin with the flag.
absl::StatusOr<std::unique_ptr<HttpListener>> ListenForFlag(
    absl::string_view flag, absl::string_view address, HttpPages pages,
    const Log& log);

}  // namespace oneagent

#endif  // BASE_HTTP_LISTENER_H_
