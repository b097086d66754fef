// A forward proxy on loopback: CONNECT tunnels and plain http, with or without
// a password. Whatever host is asked for, it connects to 127.0.0.1 at that
// port. Stops with its destructor. Thread-safe.
#ifndef TESTS_SUPPORT_LOOPBACK_PROXY_H_
#define TESTS_SUPPORT_LOOPBACK_PROXY_H_

#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/unique_fd.h"
#include "tests/support/loopback_acceptor.h"

namespace oneagent {

class LoopbackProxy {
 public:
  // `credentials` "user:password"; empty: none are asked for. `offers` are the
  // Proxy-Authenticate headers of its refusals; it understands Basic alone.
  explicit LoopbackProxy(std::string credentials = "",
                         std::vector<std::string> offers = {
                             "Basic realm=\"test\""});

  int port() const { return acceptor_.port(); }
  // What clients sent to the proxy itself: the first line and the headers.
  std::vector<std::string> Requests() const;

 private:
  void Serve(UniqueFd client);

  const std::string credentials_;
  const std::vector<std::string> offers_;
  mutable Mutex mu_;
  std::vector<std::string> requests_ ABSL_GUARDED_BY(mu_);
  LoopbackAcceptor acceptor_;  // last: uses all of the above
};

}  // namespace oneagent

#endif  // TESTS_SUPPORT_LOOPBACK_PROXY_H_
