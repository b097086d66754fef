// What the mounter never does, as the kernel sees it: it opens no outgoing
// connection, and its sockets are root's alone from their first moment.
#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/durable_file.h"
#include "base/mutex.h"
#include "tests/e2e/node.h"
#include "tests/support/http_client.h"
#include "tests/support/plugin_watcher.h"
#include "tests/support/status_matchers.h"
#include "tests/support/syscall_watch.h"

namespace oneagent {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// Exit code of a child that runs `body`.
int InChild(const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// A TCP socket by itself leads nowhere: connecting it is another call.
bool IsTcpSocket(const WatchedCall& call) {
  return call.number == SYS_socket &&
         (call.arguments[0] == AF_INET || call.arguments[0] == AF_INET6) &&
         (call.arguments[1] & 0xF) == SOCK_STREAM;
}

// Refuses what leaves the machine, and remembers it.
class NoWayOut {
 public:
  enum class Sockets {
    kUnix,
    kUnixAndListening,  // TCP as well, to be listened on
  };
  explicit NoWayOut(Sockets sockets = Sockets::kUnix)
      : watch_(OutgoingCalls(), [this, sockets](const WatchedCall& call) {
          MutexLock lock(mu_);
          ++seen_;
          if (IsUnixOnly(call)) return 0;
          if (sockets == Sockets::kUnixAndListening && IsTcpSocket(call)) {
            return 0;
          }
          refused_.push_back(Describe(call));
          return EPERM;
        }) {}

  std::function<void()> Enter() {
    return [this] { watch_.EnterInChild(); };
  }
  int seen() const {
    MutexLock lock(mu_);
    return seen_;
  }
  std::vector<std::string> refused() const {
    MutexLock lock(mu_);
    return refused_;
  }

 private:
  mutable Mutex mu_;
  int seen_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<std::string> refused_ ABSL_GUARDED_BY(mu_);
  SyscallWatch watch_;  // last: its thread uses the others
};

sockaddr_in Somewhere() {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(9);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// What a hostile library might do. Exit code: the errno.
int Errno(int64_t result) { return result < 0 ? errno : 0; }

int OpenSocket() { return Errno(socket(AF_INET, SOCK_STREAM, 0)); }

// The other ways start with a socket that was there before.
int ConnectOut(int fd) {
  const sockaddr_in to = Somewhere();
  return Errno(connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)));
}
int SendTo(int fd) {
  const sockaddr_in to = Somewhere();
  return Errno(sendto(fd, "x", 1, 0, reinterpret_cast<const sockaddr*>(&to),
                      sizeof(to)));
}
msghdr MessageTo(sockaddr_in& to) {
  msghdr message = {};
  message.msg_name = &to;
  message.msg_namelen = sizeof(to);
  return message;
}
int SendMessage(int fd) {
  sockaddr_in to = Somewhere();
  const msghdr message = MessageTo(to);
  return Errno(sendmsg(fd, &message, 0));
}
int SendMessages(int fd) {
  sockaddr_in to = Somewhere();
  mmsghdr messages[2] = {};
  messages[1].msg_hdr = MessageTo(to);
  return Errno(sendmmsg(fd, messages, 2, 0));
}
int SetUpRing(int /*fd*/) {
  io_uring_params parameters = {};
  return Errno(syscall(SYS_io_uring_setup, 4, &parameters));
}

TEST(NoWayOutTest, BitesWhateverWayIsTried) {
  EnterPrivateMountNamespace();
  const struct {
    const char* name;
    int (*body)(int fd);
  } kWays[] = {
      {"socket", [](int) { return OpenSocket(); }},
      {"connect", ConnectOut},
      {"sendto", SendTo},
      {"sendmsg", SendMessage},
      {"sendmmsg", SendMessages},
      {"io_uring", SetUpRing},
  };
  for (const auto& way : kWays) {
    const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ASSERT_TRUE(fd.ok());
    NoWayOut guard;
    EXPECT_EQ(InChild([&] {
                guard.Enter()();
                return way.body(fd.get());
              }),
              EPERM)
        << way.name;
    EXPECT_EQ(guard.refused().size(), 1u) << way.name;
  }
}

TEST(NoWayOutTest, ASocketToListenOnIsNoWayOutEither) {
  NoWayOut guard(NoWayOut::Sockets::kUnixAndListening);
  EXPECT_EQ(InChild([&] {
              guard.Enter()();
              const int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
              if (tcp < 0 || socket(AF_INET, SOCK_DGRAM, 0) >= 0) return 1;
              return ConnectOut(tcp);
            }),
            EPERM);
  EXPECT_EQ(guard.refused().size(), 2u);
}

TEST(NoWayOutTest, LetsUnixSocketsWork) {
  NoWayOut guard;
  EXPECT_EQ(InChild([&] {
              guard.Enter()();
              int fds[2];
              if (socket(AF_UNIX, SOCK_STREAM, 0) < 0 ||
                  socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) != 0) {
                return 1;
              }
              return send(fds[0], "x", 1, 0) == 1 ? 0 : 2;
            }),
            0);
  EXPECT_EQ(guard.seen(), 2);
  EXPECT_THAT(guard.refused(), IsEmpty());
}

TEST(NoWayOutTest, StaysOnAcrossExec) {
  TempDir dir;
  NoWayOut guard;
  Daemon program({"/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9"},
                 dir.Path("log"), guard.Enter());
  EXPECT_NE(program.Wait(), 0);
  EXPECT_THAT(program.Log(), HasSubstr("not permitted"));
  EXPECT_THAT(guard.refused(), testing::Not(IsEmpty()));
}

class IsolationTest : public testing::Test {
 protected:
  void SetUp() override {
    node_.ApplyDynaKube({.version = kFirstAgentVersion});
    ASSERT_EQ(node_.ProvisionOnce(), 0) << node_.ProvisionerLog();
  }
  void ExpectNothingRefused(const NoWayOut& guard) {
    EXPECT_THAT(guard.refused(), IsEmpty());
    // The filter was on: each answer is a sendmsg.
    EXPECT_GT(guard.seen(), 3);
  }
  Node node_;
};

TEST_F(IsolationTest, TheMounterOpensNoOutgoingConnection) {
  {
    NoWayOut guard;
    node_.StartMounter({}, guard.Enter());
    EXPECT_OK(node_.Publish({.pod = "app"}));
    EXPECT_OK(node_.Publish({.pod = "host", .mode = "host"}));
    EXPECT_OK(node_.Publish({.pod = "read-only", .read_only = true}));
    EXPECT_OK(node_.Publish(
        {.pod = "open", .dynakube = "nobody", .retry_timeout = "0s"}));
    TestCsiClient client(node_.socket());
    EXPECT_OK(client.GetNodeId());
    EXPECT_OK(
        client.GetVolumeStats(Node::VolumeId("app"), node_.Target("app")));
    EXPECT_OK(node_.Unpublish("read-only"));
    // An index that is lost, and found out by the next call.
    for (const char* const suffix : {"", "-wal", "-shm"}) {
      EXPECT_OK(RemoveFileIfPresent(node_.layout().IndexFile() + suffix));
    }
    EXPECT_TRUE(node_.WaitForReconciled());
    node_.mounter().Kill();
    ExpectNothingRefused(guard);
  }
  NoWayOut guard;
  node_.StartMounter({}, guard.Enter());
  for (const char* const pod : {"app", "host", "open"}) {
    EXPECT_OK(node_.Unpublish(pod));
  }
  EXPECT_EQ(node_.mounter().Terminate(), 0);
  ExpectNothingRefused(guard);
}

TEST_F(IsolationTest, NorDoesItWhenItRegistersItselfAndServesItsHealth) {
  TempDir registry;
  const int port = FreePort();
  NoWayOut guard(NoWayOut::Sockets::kUnixAndListening);
  node_.StartMounter({absl::StrCat("--registration-dir=", registry.path()),
                      absl::StrCat("--kubelet-socket-path=", node_.socket()),
                      absl::StrCat("--health-address=127.0.0.1:", port)},
                     guard.Enter());
  {
    const PluginWatcher kubelet({.directory = registry.path()});
    EXPECT_TRUE(Node::WaitUntil([&] { return !kubelet.Drivers().empty(); }));
    EXPECT_OK(node_.Publish({.pod = "a"}));
    EXPECT_EQ(HttpAsk(port, "/healthz").status, 200);
    EXPECT_TRUE(Node::WaitUntil(
        [&] { return HttpAsk(port, "/readyz").status == 200; }));
    EXPECT_OK(node_.Unpublish("a"));
  }
  EXPECT_EQ(node_.mounter().Terminate(), 0);
  ExpectNothingRefused(guard);
}

// Seen at every step of their making: the kernel stops the mounter before each
// of these calls, and a socket's mode can only have been changed by one.
TEST_F(IsolationTest, SocketsAreRootsAloneFromTheirFirstMoment) {
  const std::string directory =
      node_.socket().substr(0, node_.socket().rfind('/'));
  Mutex mu;
  std::vector<std::string> modes;
  const auto look = [&](const WatchedCall& call) {
    MutexLock lock(mu);
    const auto names = ListDirectory(directory);
    for (const std::string& name : *names) {
      struct stat info;
      if (lstat(absl::StrCat(directory, "/", name).c_str(), &info) != 0 ||
          !S_ISSOCK(info.st_mode)) {
        continue;
      }
      modes.push_back(
          absl::StrFormat("%d %s %o", call.number, name, info.st_mode & 07777));
    }
    return 0;
  };
  SyscallWatch watch(
      {SYS_bind, SYS_listen, SYS_rename, SYS_renameat, SYS_renameat2, SYS_chmod,
       SYS_fchmod, SYS_fchmodat, SYS_accept4},
      look);
  const mode_t old = umask(0);
  node_.StartMounter({}, [&watch] { watch.EnterInChild(); });
  umask(old);
  node_.mounter().Kill();
  MutexLock lock(mu);
  EXPECT_THAT(modes, testing::Contains(
                         absl::StrFormat("%d .csi.sock.new 600", SYS_listen)));
  EXPECT_THAT(modes, testing::Contains(
                         absl::StrFormat("%d csi.sock 600", SYS_accept4)));
  for (const std::string& mode : modes) {
    EXPECT_THAT(mode, testing::EndsWith(" 600"));
  }
}

TEST_F(IsolationTest, AnotherUserIsRefusedByTheSocketItself) {
  node_.StartMounter();
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  ASSERT_LT(node_.socket().size(), sizeof(address.sun_path));
  std::memcpy(address.sun_path, node_.socket().data(), node_.socket().size());
  const auto connect_as = [&](uid_t uid) {
    return InChild([&] {
      if (setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0) {
        return 255;
      }
      const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM, 0));
      return Errno(connect(fd.get(), reinterpret_cast<sockaddr*>(&address),
                           sizeof(address)));
    });
  };
  // The way is open, so that the socket's own mode decides.
  const std::string directory =
      node_.socket().substr(0, node_.socket().rfind('/'));
  ASSERT_EQ(chmod(directory.c_str(), 0777), 0);
  for (const uid_t uid : {65534u, 4711u}) EXPECT_EQ(connect_as(uid), EACCES);
  EXPECT_EQ(connect_as(0), 0);
  // And would be let in if it were not for that.
  ASSERT_EQ(chmod(node_.socket().c_str(), 0666), 0);
  EXPECT_EQ(connect_as(65534), 0);
}

}  // namespace
}  // namespace oneagent
