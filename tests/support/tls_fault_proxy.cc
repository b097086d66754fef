#include "tests/support/tls_fault_proxy.h"

#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/support/http_client.h"

namespace oneagent {
namespace {

constexpr int kLookEach = 50;  // ms: how soon a fault is noticed
// As ALPN writes it.
constexpr unsigned char kHttp11[] = "\x08http/1.1";
constexpr unsigned kHttp11Size = sizeof(kHttp11) - 1;

int SelectHttp11(SSL*, const unsigned char** chosen, unsigned char* size,
                 const unsigned char*, unsigned, void*) {
  *chosen = kHttp11 + 1;
  *size = kHttp11Size - 1;
  return SSL_TLSEXT_ERR_OK;
}

// A readable socket may hold no more than a ticket: reading must not wait then.
SSL_CTX* NewContext(const SSL_METHOD* method) {
  SSL_CTX* const context = SSL_CTX_new(method);
  if (context == nullptr) abort();
  SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
  return context;
}

SSL_CTX* NewServerContext(const SelfSigned& identity) {
  SSL_CTX* const context = NewContext(TLS_server_method());
  if (SSL_CTX_use_certificate(context, identity.certificate.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context, identity.key.get()) != 1) {
    abort();
  }
  SSL_CTX_set_alpn_select_cb(context, &SelectHttp11, nullptr);
  return context;
}

SSL_CTX* NewClientContext() {
  SSL_CTX* const context = NewContext(TLS_client_method());
  if (SSL_CTX_set_alpn_protos(context, kHttp11, kHttp11Size) != 0) abort();
  return context;
}

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using Ssl = std::unique_ptr<SSL, FreeSsl>;

// What there is now; false at the end of the connection.
bool ReadSome(SSL* ssl, std::string& out) {
  char buffer[16 << 10];
  do {
    const int got = SSL_read(ssl, buffer, sizeof(buffer));
    if (got <= 0) return SSL_get_error(ssl, got) == SSL_ERROR_WANT_READ;
    out.append(buffer, static_cast<size_t>(got));
  } while (SSL_pending(ssl) > 0);
  return true;
}

bool WriteAll(SSL* ssl, const std::string& bytes) {
  return bytes.empty() ||
         SSL_write(ssl, bytes.data(), static_cast<int>(bytes.size())) > 0;
}

}  // namespace

struct TlsFaultProxy::Link {
  UniqueFd client_fd;
  UniqueFd server_fd;
  Ssl client;
  Ssl server;
  std::string held;  // of the server's, behind a bookmark
  absl::Time held_until = absl::InfinitePast();
  bool is_counted = false;
};

void TlsFaultProxy::FreeContext::operator()(ssl_ctx_st* context) const {
  SSL_CTX_free(context);
}

TlsFaultProxy::TlsFaultProxy(int server_port)
    : server_port_(server_port),
      identity_(MakeSelfSigned()),
      server_side_(NewServerContext(identity_)),
      client_side_(NewClientContext()),
      acceptor_([this](UniqueFd client) { Serve(std::move(client)); }) {}

std::string TlsFaultProxy::url() const {
  return absl::StrCat("https://127.0.0.1:", port());
}

void TlsFaultProxy::Set(TlsFault fault) {
  MutexLock lock(mu_);
  fault_ = fault;
}

TlsFault TlsFaultProxy::Current() const {
  MutexLock lock(mu_);
  return fault_;
}

int64_t TlsFaultProxy::faults() const {
  MutexLock lock(mu_);
  return faults_;
}

void TlsFaultProxy::CountFault() {
  MutexLock lock(mu_);
  ++faults_;
}

void TlsFaultProxy::Serve(UniqueFd client) {
  if (Current() == TlsFault::kCut) return CountFault();
  Link link = {.client_fd = std::move(client),
               .server_fd = ConnectLoopback(server_port_),
               .client = Ssl(SSL_new(server_side_.get())),
               .server = Ssl(SSL_new(client_side_.get())),
               .held = ""};
  if (!link.server_fd.ok() ||
      SSL_set_fd(link.client.get(), link.client_fd.get()) != 1 ||
      SSL_set_fd(link.server.get(), link.server_fd.get()) != 1 ||
      SSL_accept(link.client.get()) != 1 ||
      SSL_connect(link.server.get()) != 1) {
    return;
  }
  while (Forward(link)) {
  }
}

bool TlsFaultProxy::Forward(Link& link) {
  const bool stalls = Current() == TlsFault::kStall;
  // A stalled line is not read, but for its end.
  const short events = stalls ? short{POLLRDHUP} : short{POLLIN};
  pollfd fds[] = {{link.client_fd.get(), events, 0},
                  {link.server_fd.get(), events, 0},
                  {acceptor_.stop_fd(), POLLIN, 0}};
  if (poll(fds, 3, kLookEach) < 0 || fds[2].revents != 0) return false;
  if (Current() == TlsFault::kCut) {
    CountFault();
    return false;
  }
  if (stalls) {
    if (!link.is_counted) CountFault();
    link.is_counted = true;
    return fds[0].revents == 0;
  }
  if (fds[0].revents != 0) {
    std::string request;
    if (!ReadSome(link.client.get(), request) ||
        !WriteAll(link.server.get(), request)) {
      return false;
    }
  }
  if (fds[1].revents != 0 && !ForwardAnswer(link)) return false;
  return Flush(link);
}

bool TlsFaultProxy::ForwardAnswer(Link& link) {
  std::string answer;
  const bool goes_on = ReadSome(link.server.get(), answer);
  switch (Current()) {
    case TlsFault::kNone:
    case TlsFault::kCut:
    case TlsFault::kStall:
      break;
    case TlsFault::kCutInObject:
      if (!absl::StrContains(answer, "{")) break;
      CountFault();
      WriteAll(link.client.get(), answer.substr(0, answer.size() / 2));
      return false;
    case TlsFault::kDelayBookmarks:
      if (!absl::StrContains(answer, "\"BOOKMARK\"")) break;
      CountFault();
      link.held_until = absl::Now() + kBookmarkDelay;
      break;
  }
  link.held += answer;
  return Flush(link) && goes_on;
}

bool TlsFaultProxy::Flush(Link& link) {
  if (absl::Now() < link.held_until) return true;
  return WriteAll(link.client.get(), std::exchange(link.held, ""));
}

}  // namespace oneagent
