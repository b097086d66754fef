#include "csi/listening_socket.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/durable_file.h"
#include "base/failpoint.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/leak_check.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// 0, or the errno of connect.
int ConnectError(const std::string& path) {
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = AddressOf(path);
  return connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                 sizeof(address)) == 0
             ? 0
             : errno;
}

// Exit code of a child that runs `body`.
int InChild(const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class ListeningSocketTest : public testing::Test {
 protected:
  void TearDown() override { DisarmFailpoints(); }

  std::unique_ptr<ListeningSocket> Open() {
    absl::StatusOr<std::unique_ptr<ListeningSocket>> socket =
        ListeningSocket::Open(path_);
    EXPECT_OK(socket);
    return socket.ok() ? *std::move(socket) : nullptr;
  }
  // A socket file whose owner died.
  void LeaveDeadSocket(const std::string& path, int type = SOCK_STREAM) {
    const UniqueFd fd(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    const sockaddr_un address = AddressOf(path);
    ASSERT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                   sizeof(address)),
              0);
  }
  mode_t ModeOf(const std::string& path) {
    struct stat info;
    EXPECT_EQ(lstat(path.c_str(), &info), 0) << path;
    return info.st_mode;
  }
  std::vector<std::string> Names() { return *ListDirectory(sockets_); }

  LeakCheck leaks_;
  TempDir dir_;
  const std::string sockets_ = dir_.MakeDir("s");
  const std::string path_ = sockets_ + "/csi.sock";
};

TEST_F(ListeningSocketTest, AcceptsConnectionsAndRemovesItsPathAtTheEnd) {
  std::unique_ptr<ListeningSocket> socket = Open();
  std::thread client([this] { EXPECT_EQ(ConnectError(path_), 0); });
  ASSERT_OK_AND_ASSIGN(const UniqueFd fd, socket->Accept());
  EXPECT_NE(fcntl(fd.get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(fcntl(fd.get(), F_GETFD) & FD_CLOEXEC, 0);
  client.join();
  EXPECT_THAT(Names(), ElementsAre("csi.sock"));
  socket.reset();
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(ListeningSocketTest, Is0600BeforeItIsInPlaceWhateverTheUmask) {
  mode_t first_mode = 0;
  ArmFailpoint("listen:3", [&] {
    EXPECT_THAT(Names(), ElementsAre(".csi.sock.new"));
    first_mode = ModeOf(sockets_ + "/.csi.sock.new");
  });
  const mode_t old = umask(0);
  std::unique_ptr<ListeningSocket> socket = Open();
  umask(old);
  EXPECT_EQ(first_mode, mode_t{S_IFSOCK | 0600});
  EXPECT_EQ(ModeOf(path_), mode_t{S_IFSOCK | 0600});
}

TEST_F(ListeningSocketTest, AnotherUserIsRefused) {
  ASSERT_EQ(chmod(dir_.path().c_str(), 0755), 0);
  ASSERT_EQ(chmod(sockets_.c_str(), 0755), 0);
  std::unique_ptr<ListeningSocket> socket = Open();
  EXPECT_EQ(InChild([this] {
              if (setgid(4711) != 0 || setuid(4711) != 0) return 255;
              return ConnectError(path_);
            }),
            EACCES);
  EXPECT_EQ(InChild([this] { return ConnectError(path_); }), 0);
}

TEST_F(ListeningSocketTest, LiveInstanceIsLeftAlone) {
  std::unique_ptr<ListeningSocket> live = Open();
  EXPECT_THAT(ListeningSocket::Open(path_),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       HasSubstr(absl::StrCat(
                           path_, ": another instance is listening"))));
  EXPECT_TRUE(live->IsInPlace());
  EXPECT_EQ(ConnectError(path_), 0);
}

TEST_F(ListeningSocketTest, OnlyADeadSocketIsRemoved) {
  LeaveDeadSocket(path_);
  ListeningSocket::RemoveDead(path_);
  EXPECT_THAT(Names(), IsEmpty());
  ListeningSocket::RemoveDead(path_);
  ListeningSocket::RemoveDead(sockets_ + "/none/csi.sock");

  std::unique_ptr<ListeningSocket> live = Open();
  ListeningSocket::RemoveDead(path_);
  EXPECT_TRUE(live->IsInPlace());
  live.reset();
  dir_.WriteFile("s/csi.sock", "precious");
  ListeningSocket::RemoveDead(path_);
  EXPECT_EQ(ReadTestFile(path_), "precious");
}

// Who holds the lock may be about to make it a live one.
TEST_F(ListeningSocketTest, DeadSocketStaysWhereAnotherIsAtWork) {
  LeaveDeadSocket(path_);
  const UniqueFd directory(
      open(sockets_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(flock(directory.get(), LOCK_EX), 0);
  ListeningSocket::RemoveDead(path_);
  EXPECT_THAT(Names(), ElementsAre("csi.sock"));
}

TEST_F(ListeningSocketTest, InstanceWithAFullBacklogIsLive) {
  const UniqueFd live(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = AddressOf(path_);
  ASSERT_EQ(bind(live.get(), reinterpret_cast<const sockaddr*>(&address),
                 sizeof(address)),
            0);
  ASSERT_EQ(listen(live.get(), 0), 0);
  const UniqueFd waiting(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(connect(waiting.get(), reinterpret_cast<const sockaddr*>(&address),
                    sizeof(address)),
            0);
  EXPECT_THAT(ListeningSocket::Open(path_),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_F(ListeningSocketTest, DeadSocketIsReplaced) {
  LeaveDeadSocket(path_);
  std::unique_ptr<ListeningSocket> socket = Open();
  EXPECT_EQ(ConnectError(path_), 0);
}

TEST_F(ListeningSocketTest, ForeignFilesAreNotTouched) {
  dir_.WriteFile("s/file", "precious");
  dir_.MakeDir("s/directory");
  ASSERT_EQ(symlink("file", (sockets_ + "/link").c_str()), 0);
  ASSERT_EQ(mkfifo((sockets_ + "/fifo").c_str(), 0600), 0);
  LeaveDeadSocket(sockets_ + "/datagram", SOCK_DGRAM);
  const UniqueFd datagram(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = AddressOf(sockets_ + "/live_datagram");
  ASSERT_EQ(bind(datagram.get(), reinterpret_cast<const sockaddr*>(&address),
                 sizeof(address)),
            0);
  for (const char* name :
       {"file", "directory", "link", "fifo", "live_datagram"}) {
    const std::string path = absl::StrCat(sockets_, "/", name);
    const mode_t mode = ModeOf(path);
    EXPECT_THAT(
        ListeningSocket::Open(path),
        StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(path)));
    EXPECT_EQ(ModeOf(path), mode);
  }
  EXPECT_EQ(ReadTestFile(sockets_ + "/file"), "precious");
}

TEST_F(ListeningSocketTest, SuccessorsSocketIsNotRemovedAtTheEnd) {
  std::unique_ptr<ListeningSocket> socket = Open();
  ASSERT_EQ(unlink(path_.c_str()), 0);
  EXPECT_FALSE(socket->IsInPlace());
  std::unique_ptr<ListeningSocket> successor = Open();
  socket.reset();
  EXPECT_TRUE(successor->IsInPlace());
  EXPECT_EQ(ConnectError(path_), 0);
}

TEST_F(ListeningSocketTest, OfTwoThatStartTogetherOneListens) {
  LeaveDeadSocket(path_);
  std::atomic<int> won{0};
  std::atomic<int> lost{0};
  std::vector<std::unique_ptr<ListeningSocket>> sockets(8);
  std::vector<std::thread> starters;
  for (std::unique_ptr<ListeningSocket>& socket : sockets) {
    starters.emplace_back([&, this] {
      auto opened = ListeningSocket::Open(path_);
      if (opened.ok()) {
        ++won;
        socket = *std::move(opened);
      } else if (absl::IsAlreadyExists(opened.status())) {
        ++lost;
      }
    });
  }
  for (std::thread& starter : starters) starter.join();
  EXPECT_EQ(won, 1);
  EXPECT_EQ(lost, 7);
  EXPECT_EQ(ConnectError(path_), 0);
}

TEST_F(ListeningSocketTest, TakesPathsOf107BytesAndNotOneMore) {
  const std::string longest =
      sockets_ + "/" + std::string(107 - sockets_.size() - 1, 'x');
  ASSERT_OK_AND_ASSIGN(const auto socket, ListeningSocket::Open(longest));
  EXPECT_EQ(ConnectError(longest), 0);
  EXPECT_THAT(ListeningSocket::Open(longest + "x"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("108 bytes, more than 107")));
}

TEST_F(ListeningSocketTest, MissingDirectoryIsNamed) {
  EXPECT_THAT(
      ListeningSocket::Open(dir_.Path("none/csi.sock")),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr(dir_.Path("none"))));
}

TEST_F(ListeningSocketTest, DirectoryLockedBySomebodyElseIsSaid) {
  const UniqueFd holder(open(sockets_.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(flock(holder.get(), LOCK_EX), 0);
  EXPECT_THAT(ListeningSocket::Open(path_),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("locked")));
}

TEST_F(ListeningSocketTest, InterruptEndsAcceptNowAndLater) {
  std::unique_ptr<ListeningSocket> socket = Open();
  std::thread interrupter([&] { socket->Interrupt(); });
  EXPECT_THAT(socket->Accept(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(socket->Accept(), StatusIs(absl::StatusCode::kCancelled));
  interrupter.join();
}

TEST_F(ListeningSocketTest, ShortageOfDescriptorsIsWaitedOutWithoutSpinning) {
  // In a child, because the limit is the whole process's.
  EXPECT_EQ(InChild([this] {
              auto socket = ListeningSocket::Open(path_);
              if (!socket.ok() || ConnectError(path_) != 0) return 1;
              rlimit usual;
              if (getrlimit(RLIMIT_NOFILE, &usual) != 0) return 2;
              rlimit none = usual;
              none.rlim_cur = static_cast<rlim_t>(UniqueFd(dup(0)).get());
              if (setrlimit(RLIMIT_NOFILE, &none) != 0) return 3;
              int shortages = 0;
              ArmFailpoint("accept:shortage", [&] {
                if (++shortages == 3) setrlimit(RLIMIT_NOFILE, &usual);
              });
              const absl::Time begin = absl::Now();
              if (!(*socket)->Accept().ok()) return 4;
              if (shortages != 3) return 5;
              // Each was left alone for a while.
              return absl::Now() - begin >= absl::Milliseconds(200) ? 0 : 6;
            }),
            0);
}

TEST_F(ListeningSocketTest, DyingBeforeTheRenameLeavesTheWayFree) {
  LeaveDeadSocket(path_);
  EXPECT_EQ(InChild([this] {
              ArmFailpoint("listen:3", [] { _exit(42); });
              (void)ListeningSocket::Open(path_);
              return 0;
            }),
            42);
  EXPECT_THAT(Names(), ElementsAre(".csi.sock.new", "csi.sock"));
  std::unique_ptr<ListeningSocket> socket = Open();
  EXPECT_THAT(Names(), ElementsAre("csi.sock"));
  EXPECT_EQ(ConnectError(path_), 0);
}

TEST_F(ListeningSocketTest, DyingAfterTheRenameLeavesADeadSocket) {
  EXPECT_EQ(InChild([this] {
              ArmFailpoint("listen:4", [] { _exit(42); });
              (void)ListeningSocket::Open(path_);
              return 0;
            }),
            42);
  EXPECT_EQ(ConnectError(path_), ECONNREFUSED);
  std::unique_ptr<ListeningSocket> socket = Open();
  EXPECT_EQ(ConnectError(path_), 0);
}

TEST_F(ListeningSocketTest, SomethingElseUnderTheDotNameIsNotRemoved) {
  dir_.WriteFile("s/.csi.sock.new", "precious");
  EXPECT_THAT(ListeningSocket::Open(path_),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr(".csi.sock.new")));
  EXPECT_EQ(ReadTestFile(sockets_ + "/.csi.sock.new"), "precious");
}

}  // namespace
}  // namespace oneagent
