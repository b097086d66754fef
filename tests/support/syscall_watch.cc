#include "tests/support/syscall_watch.h"

#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"

namespace oneagent {
namespace {

// Above what Daemon closes in its child.
constexpr int kLeastFd = 300;

void Require(bool holds, const char* what) {
  if (holds) return;
  std::perror(what);
  std::abort();
}

UniqueFd High(int fd) {
  UniqueFd high(fcntl(fd, F_DUPFD_CLOEXEC, kLeastFd));
  close(fd);
  Require(high.ok(), "dup");
  return high;
}

struct Pipe {
  Pipe() {
    int fds[2];
    Require(pipe2(fds, O_CLOEXEC) == 0, "pipe");
    out = High(fds[0]);
    in = High(fds[1]);
  }
  UniqueFd out, in;
};

// What the child tells, so that its listener can be taken over.
struct Hello {
  pid_t pid;
  int listener;
};

std::optional<uint16_t> FamilyAt(const WatchedCall& call, uint64_t address) {
  const std::string bytes = call.Memory(address, sizeof(sa_family_t));
  uint16_t family = 0;
  if (bytes.size() != sizeof(family)) return std::nullopt;
  std::memcpy(&family, bytes.data(), sizeof(family));
  return family;
}

// The families of the addresses that a call names.
std::vector<std::optional<uint16_t>> Families(const WatchedCall& call) {
  switch (call.number) {
    case SYS_socket:
      return {static_cast<uint16_t>(call.arguments[0])};
    case SYS_connect:
      return {FamilyAt(call, call.arguments[1])};
    case SYS_sendto:
      if (call.arguments[4] == 0) return {};
      return {FamilyAt(call, call.arguments[4])};
    case SYS_sendmsg:
    case SYS_sendmmsg: {
      std::vector<std::optional<uint16_t>> families;
      const bool is_many = call.number == SYS_sendmmsg;
      const size_t step = is_many ? sizeof(mmsghdr) : sizeof(msghdr);
      const uint64_t count = is_many ? call.arguments[2] : 1;
      for (uint64_t i = 0; i < count; ++i) {
        const std::string bytes =
            call.Memory(call.arguments[1] + i * step, sizeof(msghdr));
        msghdr header = {};
        if (bytes.size() != sizeof(header)) return {std::nullopt};
        std::memcpy(&header, bytes.data(), sizeof(header));
        if (header.msg_name == nullptr) continue;
        families.push_back(
            FamilyAt(call, reinterpret_cast<uint64_t>(header.msg_name)));
      }
      return families;
    }
    default:
      return {std::nullopt};
  }
}

}  // namespace

std::string WatchedCall::Memory(uint64_t address, size_t size) const {
  const UniqueFd memory(open(absl::StrCat("/proc/", thread, "/mem").c_str(),
                             O_RDONLY | O_CLOEXEC));
  std::string bytes(size, '\0');
  const ssize_t got =
      pread(memory.get(), bytes.data(), size, static_cast<off_t>(address));
  bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return bytes;
}

struct SyscallWatch::State {
  void Run();
  bool TakeListener();
  void Answer(seccomp_notif& asked, seccomp_notif_resp& answer);

  std::function<int(const WatchedCall&)> judge;
  scmp_filter_ctx filter = nullptr;
  Pipe to_watch;  // Hello
  Pipe to_child;  // closed when the listener has been taken over
  UniqueFd stop;  // eventfd
  UniqueFd listener;
  std::thread thread;
};

bool SyscallWatch::State::TakeListener() {
  pollfd fds[] = {{.fd = stop.get(), .events = POLLIN, .revents = 0},
                  {.fd = to_watch.out.get(), .events = POLLIN, .revents = 0}};
  while (poll(fds, 2, -1) < 0 && errno == EINTR) {
  }
  if (fds[0].revents != 0) return false;
  Hello hello;
  Require(read(to_watch.out.get(), &hello, sizeof(hello)) == sizeof(hello),
          "child of a watch");
  const UniqueFd child(static_cast<int>(syscall(SYS_pidfd_open, hello.pid, 0)));
  listener = UniqueFd(static_cast<int>(
      syscall(SYS_pidfd_getfd, child.get(), hello.listener, 0)));
  Require(listener.ok(), "pidfd_getfd");
  to_child.in = UniqueFd();
  return true;
}

void SyscallWatch::State::Answer(seccomp_notif& asked,
                                 seccomp_notif_resp& answer) {
  const WatchedCall call = {
      .thread = static_cast<pid_t>(asked.pid),
      .number = asked.data.nr,
      .arguments = {asked.data.args, asked.data.args + 6}};
  const int error = judge(call);
  answer.id = asked.id;
  answer.val = 0;
  answer.error = -error;
  answer.flags = error == 0 ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0;
  // The caller may be dead by now.
  (void)seccomp_notify_respond(listener.get(), &answer);
}

void SyscallWatch::State::Run() {
  if (!TakeListener()) return;
  seccomp_notif* asked = nullptr;
  seccomp_notif_resp* answer = nullptr;
  Require(seccomp_notify_alloc(&asked, &answer) == 0, "seccomp_notify_alloc");
  for (;;) {
    pollfd fds[] = {{.fd = stop.get(), .events = POLLIN, .revents = 0},
                    {.fd = listener.get(), .events = POLLIN, .revents = 0}};
    if (poll(fds, 2, -1) < 0 && errno == EINTR) continue;
    if (fds[0].revents != 0 || (fds[1].revents & POLLHUP) != 0) break;
    std::memset(asked, 0, sizeof(*asked));
    if (seccomp_notify_receive(listener.get(), asked) != 0) continue;
    Answer(*asked, *answer);
  }
  seccomp_notify_free(asked, answer);
}

SyscallWatch::SyscallWatch(const std::vector<int>& numbers,
                           std::function<int(const WatchedCall&)> judge)
    : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.judge = std::move(judge);
  state.filter = seccomp_init(SCMP_ACT_ALLOW);
  Require(state.filter != nullptr, "seccomp_init");
  for (const int number : numbers) {
    Require(seccomp_rule_add(state.filter, SCMP_ACT_NOTIFY, number, 0) == 0,
            "seccomp_rule_add");
  }
  state.stop = UniqueFd(eventfd(0, EFD_CLOEXEC));
  state.thread = std::thread([&state] { state.Run(); });
}

SyscallWatch::~SyscallWatch() {
  const uint64_t one = 1;
  Require(write(state_->stop.get(), &one, sizeof(one)) == sizeof(one), "stop");
  state_->thread.join();
  seccomp_release(state_->filter);
}

void SyscallWatch::EnterInChild() const {
  Require(seccomp_load(state_->filter) == 0, "seccomp_load");
  const Hello hello = {.pid = getpid(),
                       .listener = seccomp_notify_fd(state_->filter)};
  Require(
      write(state_->to_watch.in.get(), &hello, sizeof(hello)) == sizeof(hello),
      "hello");
  // Until the other side has the listener, which exec closes here.
  close(state_->to_child.in.get());
  char none;
  Require(read(state_->to_child.out.get(), &none, 1) == 0, "watch");
}

std::vector<int> OutgoingCalls() {
  return {SYS_socket,   SYS_connect,        SYS_sendto,        SYS_sendmsg,
          SYS_sendmmsg, SYS_io_uring_setup, SYS_io_uring_enter};
}

bool IsUnixOnly(const WatchedCall& call) {
  for (const std::optional<uint16_t>& family : Families(call)) {
    if (family != AF_UNIX) return false;
  }
  return true;
}

std::string Describe(const WatchedCall& call) {
  std::string text = absl::StrCat("system call ", call.number);
  for (const std::optional<uint16_t>& family : Families(call)) {
    absl::StrAppend(&text, family ? absl::StrCat(" family ", *family)
                                  : std::string(" without a known family"));
  }
  return text;
}

}  // namespace oneagent
