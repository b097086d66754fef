// Listens on a free port of 127.0.0.1 and serves each connection on a thread of
// its own. Stops with its destructor, which waits for all of them. Thread-safe.
#ifndef TESTS_SUPPORT_LOOPBACK_ACCEPTOR_H_
#define TESTS_SUPPORT_LOOPBACK_ACCEPTOR_H_

#include <functional>
#include <thread>

#include "base/unique_fd.h"

namespace oneagent {

class LoopbackAcceptor {
 public:
  // `serve` ends when the peer goes away or stop_fd() is readable. Declare the
  // acceptor after what it uses.
  explicit LoopbackAcceptor(std::function<void(UniqueFd)> serve);
  ~LoopbackAcceptor();
  LoopbackAcceptor(const LoopbackAcceptor&) = delete;
  LoopbackAcceptor& operator=(const LoopbackAcceptor&) = delete;

  int port() const { return port_; }
  int stop_fd() const { return stop_.get(); }

 private:
  void Accept();

  const std::function<void(UniqueFd)> serve_;
  const UniqueFd listener_;
  const UniqueFd stop_;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace oneagent

#endif  // TESTS_SUPPORT_LOOPBACK_ACCEPTOR_H_
