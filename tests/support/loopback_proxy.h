// A forward proxy on loopback: CONNECT tunnels and plain http, with or without
// a password. Whatever host is asked for, it connects to 127.0.0.1 at that
// port. Stops with its destructor. Thread-safe.
#ifndef TESTS_SUPPORT_LOOPBACK_PROXY_H_
#define TESTS_SUPPORT_LOOPBACK_PROXY_H_

#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/unique_fd.h"

namespace oneagent {

class LoopbackProxy {
 public:
  // `credentials` "user:password"; empty: none are asked for.
  explicit LoopbackProxy(std::string credentials = "");
  ~LoopbackProxy();
  LoopbackProxy(const LoopbackProxy&) = delete;
  LoopbackProxy& operator=(const LoopbackProxy&) = delete;

  int port() const { return port_; }
  // What clients sent to the proxy itself: the first line and the headers.
  std::vector<std::string> Requests() const;

 private:
  void Accept();
  void Serve(UniqueFd client);

  const std::string credentials_;
  UniqueFd listener_;
  UniqueFd stop_;  // readable when the proxy is to end
  int port_ = 0;
  std::thread thread_;
  mutable Mutex mu_;
  std::vector<std::string> requests_ ABSL_GUARDED_BY(mu_);
};

}  // namespace oneagent

#endif  // TESTS_SUPPORT_LOOPBACK_PROXY_H_
