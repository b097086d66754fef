// Some system calls of a child, each shown to the test before it happens, and
// refused where the test says so (seccomp's user notification, Linux 5.5).
//
//   SyscallWatch watch(OutgoingCalls(), [](const WatchedCall& call) {
//     return IsUnixOnly(call) ? 0 : EPERM;
//   });
//   Daemon daemon(argv, log_path, [&watch] { watch.EnterInChild(); });
//
// The child cannot take the filter off, and its children have it, too. One
// watch is for one child; it must outlive it.
#ifndef TESTS_SUPPORT_SYSCALL_WATCH_H_
#define TESTS_SUPPORT_SYSCALL_WATCH_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace oneagent {

struct WatchedCall {
  pid_t thread = 0;  // that makes it
  int number = 0;    // SYS_…
  std::vector<uint64_t> arguments;

  // `size` bytes of the child's memory; short where it cannot be read.
  std::string Memory(uint64_t address, size_t size) const;
};

class SyscallWatch {
 public:
  // `judge` is called on a thread of the watch: 0 lets the call happen, an
  // errno is its answer instead. Aborts where seccomp does not work.
  SyscallWatch(const std::vector<int>& numbers,
               std::function<int(const WatchedCall&)> judge);
  // The child must have ended.
  ~SyscallWatch();
  SyscallWatch(const SyscallWatch&) = delete;
  SyscallWatch& operator=(const SyscallWatch&) = delete;

  // In the child, once, after fork: every later call is watched.
  void EnterInChild() const;

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

// Every way to send something to an address or to get a socket that could:
// socket, connect, sendto, sendmsg, sendmmsg, and io_uring, which could do all
// of it without another call.
std::vector<int> OutgoingCalls();

// Whether one of OutgoingCalls stays within the machine: AF_UNIX, or without
// an address on a socket that has a peer. io_uring never does.
bool IsUnixOnly(const WatchedCall& call);

// As "connect family 2", for messages.
std::string Describe(const WatchedCall& call);

}  // namespace oneagent

#endif  // TESTS_SUPPORT_SYSCALL_WATCH_H_
