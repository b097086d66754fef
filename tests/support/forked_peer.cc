#include "tests/support/forked_peer.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

namespace oneagent {

Turns::Turns(UniqueFd socket) : socket_(std::move(socket)) {}

bool Turns::Say() { return send(socket_.get(), "x", 1, MSG_NOSIGNAL) == 1; }

bool Turns::Hear() {
  char byte = 0;
  return read(socket_.get(), &byte, 1) == 1;
}

ForkedPeer::ForkedPeer(const std::function<int(Turns&)>& body)
    : turns_(UniqueFd()) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) abort();
  UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  child_ = fork();
  if (child_ < 0) abort();
  if (child_ == 0) {
    // Each side holds its own end alone, so that a death closes it.
    ours.Reset();
    Turns test(std::move(theirs));
    _exit(body(test));
  }
  turns_ = Turns(std::move(ours));
}

ForkedPeer::~ForkedPeer() {
  if (child_ < 0) return;
  kill(child_, SIGKILL);
  Wait();
}

int ForkedPeer::Wait() {
  int status = 0;
  const pid_t ended = waitpid(child_, &status, 0);
  child_ = -1;
  return ended >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace oneagent
