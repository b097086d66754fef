#include "csi/socket_keeper.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "csi/identity_service.h"
#include "csi/server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// The descriptors of this process that listen.
std::vector<int> ListeningDescriptors() {
  std::vector<int> found;
  for (int fd = 0; fd < 1024; ++fd) {
    int listens = 0;
    socklen_t size = sizeof(listens);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 &&
        listens == 1) {
      found.push_back(fd);
    }
  }
  return found;
}

class SocketKeeperTest : public testing::Test {
 protected:
  void SetUp() override {
    log_fd_.Reset(open(dir_.Path("log").c_str(),
                       O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    log_ = std::make_unique<Log>(
        Log::Options{.component = "mounter", .fd = log_fd_.get()}, clock_);
    std::vector<GrpcService> services;
    services.push_back(NewIdentityService(*log_));
    server_ = std::make_unique<Server>(std::move(services));
    ASSERT_OK(server_->Start());
    keeper_ = std::make_unique<SocketKeeper>(
        SocketKeeper::Options{.path = path_,
                              .may_open = [this] { return may_open_; }},
        *server_, *log_);
    ASSERT_OK(keeper_->Open());
  }

  // Whether a server of gRPC's greets who connects to the path.
  bool IsServed() {
    const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = AddressOf(path_);
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                sizeof(address)) != 0) {
      return false;
    }
    char byte;
    return read(fd.get(), &byte, 1) == 1;
  }
  std::string Said() { return ReadTestFile(dir_.Path("log")); }

  TempDir dir_;
  const std::string path_ = dir_.MakeDir("s") + "/csi.sock";
  FakeClock clock_;
  UniqueFd log_fd_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<SocketKeeper> keeper_;
  absl::Status may_open_;
};

TEST_F(SocketKeeperTest, LeavesASocketAloneThatIsInPlace) {
  const std::vector<int> before = ListeningDescriptors();
  keeper_->RunOnce();
  EXPECT_EQ(ListeningDescriptors(), before);
  EXPECT_TRUE(IsServed());
  EXPECT_THAT(Said(), IsEmpty());
}

TEST_F(SocketKeeperTest, ListensAnewWhereItsPathWasRemoved) {
  ASSERT_EQ(unlink(path_.c_str()), 0);
  EXPECT_FALSE(IsServed());
  keeper_->RunOnce();
  EXPECT_TRUE(IsServed());
  EXPECT_EQ(ListeningDescriptors().size(), 1U);
  EXPECT_THAT(Said(), HasSubstr("removed or replaced"));
  EXPECT_THAT(Said(), HasSubstr("listening anew"));
}

TEST_F(SocketKeeperTest, ListensAnewWhereItsDirectoryWasReplaced) {
  ASSERT_EQ(rename(dir_.Path("s").c_str(), dir_.Path("old").c_str()), 0);
  keeper_->RunOnce();
  EXPECT_THAT(Said(), HasSubstr("cannot listen"));
  dir_.MakeDir("s");
  keeper_->RunOnce();
  EXPECT_TRUE(IsServed());
}

TEST_F(SocketKeeperTest, ForeignLiveSocketIsLeftAloneAndSaidOnce) {
  ASSERT_EQ(unlink(path_.c_str()), 0);
  UniqueFd foreign(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = AddressOf(path_);
  ASSERT_EQ(bind(foreign.get(), reinterpret_cast<const sockaddr*>(&address),
                 sizeof(address)),
            0);
  ASSERT_EQ(listen(foreign.get(), 100), 0);
  keeper_->RunOnce();
  const std::string said = Said();
  EXPECT_THAT(said, HasSubstr("another instance is listening there"));
  keeper_->RunOnce();
  EXPECT_EQ(Said(), said);
  foreign.Reset();  // dead, its file stays
  keeper_->RunOnce();
  EXPECT_TRUE(IsServed());
  EXPECT_THAT(Said(), HasSubstr("listening anew"));
}

TEST_F(SocketKeeperTest, AcceptingThatEndedIsSaidAndBegunAnew) {
  const std::vector<int> listening = ListeningDescriptors();
  ASSERT_EQ(listening.size(), 1U);
  // Something that accept(2) refuses takes its place; a connection makes the
  // accepting thread look.
  const UniqueFd other(open("/dev/null", O_RDWR | O_CLOEXEC));
  ASSERT_EQ(dup3(other.get(), listening[0], O_CLOEXEC), listening[0]);
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = AddressOf(path_);
  (void)connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                sizeof(address));
  while (server_->CheckReachable().ok()) std::this_thread::yield();
  keeper_->RunOnce();
  EXPECT_TRUE(IsServed());
  EXPECT_THAT(Said(), HasSubstr(absl::StrCat("accept ", path_)));
  EXPECT_THAT(Said(), Not(HasSubstr("cannot listen")));
}

TEST_F(SocketKeeperTest, StaysClosedForAsLongAsItMayNotOpen) {
  keeper_->Close();
  EXPECT_FALSE(IsServed());
  may_open_ = absl::UnavailableError("too early");
  keeper_->RunOnce();
  keeper_->RunOnce();
  EXPECT_FALSE(IsServed());
  const std::string said = Said();
  EXPECT_THAT(said, HasSubstr("too early"));
  EXPECT_EQ(said.find('\n'), said.size() - 1);
  may_open_ = absl::OkStatus();
  keeper_->RunOnce();
  EXPECT_TRUE(IsServed());
  EXPECT_THAT(Said(), HasSubstr("listening"));
  // What it took away itself was not lost.
  EXPECT_THAT(Said(), Not(HasSubstr("lost")));
  EXPECT_THAT(Said(), Not(HasSubstr("anew")));
}

}  // namespace
}  // namespace oneagent
