// Stands between HTTPS clients and a server on loopback and does to the
// server's answers what networks do. Ends TLS on both sides, so it knows where
// an object of a stream is; clients have to trust its certificate. HTTP/1.1
// only: each stream has a connection of its own. Stops with its destructor.
// Thread-safe.
//
//   TlsFaultProxy proxy(server.port());
//   proxy.Set(TlsFault::kCutInObject);
//   EXPECT_GT(proxy.faults(), 0);
#ifndef TESTS_SUPPORT_TLS_FAULT_PROXY_H_
#define TESTS_SUPPORT_TLS_FAULT_PROXY_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "base/mutex.h"
#include "base/unique_fd.h"
#include "tests/support/loopback_acceptor.h"
#include "tests/support/self_signed.h"

struct ssl_ctx_st;
struct ssl_st;

namespace oneagent {

enum class TlsFault {
  kNone,
  kCut,             // connections, those that are there too, before the answer
  kStall,           // nothing comes through any more, nothing is closed
  kCutInObject,     // in the middle of what the server sends next
  kDelayBookmarks,  // and what follows them, for a while
};

class TlsFaultProxy {
 public:
  static constexpr absl::Duration kBookmarkDelay = absl::Seconds(3);

  explicit TlsFaultProxy(int server_port);

  int port() const { return acceptor_.port(); }
  std::string url() const;
  const std::string& ca_pem() const { return identity_.pem; }

  void Set(TlsFault fault);
  // Connections that a fault befell.
  int64_t faults() const;

 private:
  struct FreeContext {
    void operator()(ssl_ctx_st* context) const;
  };
  struct Link;

  TlsFault Current() const;
  void CountFault();
  void Serve(UniqueFd client);
  // False when the connection is to end.
  bool Forward(Link& link);
  bool ForwardAnswer(Link& link);
  static bool Flush(Link& link);

  const int server_port_;
  const SelfSigned identity_;
  const std::unique_ptr<ssl_ctx_st, FreeContext> server_side_;
  const std::unique_ptr<ssl_ctx_st, FreeContext> client_side_;

  mutable Mutex mu_;
  TlsFault fault_ ABSL_GUARDED_BY(mu_) = TlsFault::kNone;
  int64_t faults_ ABSL_GUARDED_BY(mu_) = 0;

  LoopbackAcceptor acceptor_;  // last: uses all of the above
};

}  // namespace oneagent

#endif  // TESTS_SUPPORT_TLS_FAULT_PROXY_H_
