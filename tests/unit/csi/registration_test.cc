#include "csi/registration.h"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/unique_fd.h"
#include "csi/identity_service.h"
#include "csi/listening_socket.h"
#include "csi/server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/pluginregistration.grpc.pb.h"
#include "tests/support/fake_clock.h"
#include "tests/support/plugin_watcher.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/text.h"

namespace oneagent {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class RegistrationTest : public testing::Test {
 protected:
  void SetUp() override {
    log_fd_.Reset(open(dir_.Path("log").c_str(),
                       O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    log_ = std::make_unique<Log>(
        Log::Options{.component = "mounter", .fd = log_fd_.get()}, clock_);
    std::vector<GrpcService> services;
    services.push_back(NewIdentityService(*log_));
    StartCsi(std::move(services));
  }
  void TearDown() override {
    kubelet_.reset();
    registration_.reset();
  }

  // What csi.sock will serve, and the registration of that.
  void StartCsi(std::vector<GrpcService> services) {
    registration_.reset();
    csi_ = std::make_unique<Server>(std::move(services));
    ASSERT_OK(csi_->Start());
    registration_ = std::make_unique<Registration>(
        Registration::Options{.directory = registry_,
                              .socket_path = csi_socket_,
                              .kubelet_socket_path = csi_socket_},
        *csi_, *log_, clock_);
    ASSERT_OK(registration_->Start());
  }

  void ServeCsi() {
    ASSERT_OK_AND_ASSIGN(auto socket, ListeningSocket::Open(csi_socket_));
    csi_->Listen(std::move(socket));
  }
  // This csi.sock has no Node service, so kubelet accepts the plugin and fails
  // at NodeGetInfo.
  void StartRefusingKubelet() {
    kubelet_ = std::make_unique<PluginWatcher>(
        PluginWatcher::Options{.directory = registry_});
  }
  ino_t Inode() {
    struct stat info;
    EXPECT_EQ(lstat(socket_.c_str(), &info), 0);
    return info.st_ino;
  }
  std::string Said() { return ReadTestFile(dir_.Path("log")); }
  void AwaitRefusals(int count) {
    while (Count(Said(), "registration refused") < count) {
      std::this_thread::yield();
    }
  }
  // As kubelet would tell; answered when this returns.
  void Tell(bool registered) {
    ::pluginregistration::RegistrationStatus status;
    status.set_plugin_registered(registered);
    if (!registered) status.set_error("no");
    ::pluginregistration::RegistrationStatusResponse response;
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    grpc::ClientContext context;
    EXPECT_TRUE(::pluginregistration::Registration::NewStub(
                    grpc::CreateCustomChannel(
                        absl::StrCat("unix:", socket_),
                        grpc::InsecureChannelCredentials(), arguments))
                    ->NotifyRegistrationStatus(&context, status, &response)
                    .ok());
  }
  // How long the socket stays before it is made anew, to the tenth of a second.
  absl::Duration TimeToANewSocket() {
    // Kept from being used again at once.
    const std::string kept = absl::StrCat(dir_.Path("kept"), ++kept_);
    EXPECT_EQ(link(socket_.c_str(), kept.c_str()), 0);
    const ino_t inode = Inode();
    absl::Duration waited = absl::ZeroDuration();
    for (;; waited += absl::Milliseconds(100)) {
      registration_->RunOnce();
      if (Inode() != inode) return waited;
      clock_.Advance(absl::Milliseconds(100));
    }
  }

  TempDir dir_;
  const std::string registry_ = dir_.MakeDir("registry");
  const std::string csi_socket_ = dir_.Path("csi.sock");
  const std::string socket_ = RegistrationSocket(registry_);
  FakeClock clock_;
  UniqueFd log_fd_;
  int kept_ = 0;
  std::unique_ptr<Log> log_;
  std::unique_ptr<Server> csi_;
  std::unique_ptr<Registration> registration_;
  std::unique_ptr<PluginWatcher> kubelet_;
};

TEST_F(RegistrationTest, WaitsUntilCsiSockAnswers) {
  registration_->RunOnce();
  registration_->RunOnce();
  EXPECT_THAT(*ListDirectory(registry_), IsEmpty());
  EXPECT_EQ(Count(Said(), "cannot listen"), 1);
  ServeCsi();
  registration_->RunOnce();
  EXPECT_TRUE(*PathExists(socket_));
}

// Somebody else's csi.sock would be registered under our name.
TEST_F(RegistrationTest, IsNotThereWhenCsiSockIsSomebodyElses) {
  ServeCsi();
  ASSERT_EQ(unlink(csi_socket_.c_str()), 0);
  ASSERT_OK_AND_ASSIGN(const auto other, ListeningSocket::Open(csi_socket_));
  registration_->RunOnce();
  EXPECT_THAT(*ListDirectory(registry_), IsEmpty());
  EXPECT_THAT(Said(), HasSubstr("removed or replaced by another"));
}

// The path leads to us, but what answers is no driver.
TEST_F(RegistrationTest, IsNotThereWhenCsiSockGivesNoName) {
  std::vector<GrpcService> services;
  services.push_back(NewRegistrationService("", [](const auto&) {}));
  StartCsi(std::move(services));
  ServeCsi();
  registration_->RunOnce();
  EXPECT_THAT(*ListDirectory(registry_), IsEmpty());
  EXPECT_THAT(Said(),
              HasSubstr(absl::StrCat("GetPluginInfo on ", csi_socket_)));
}

TEST_F(RegistrationTest, WithdrawRemovesTheSocketAndASecondLaterItIsBack) {
  ServeCsi();
  registration_->RunOnce();
  registration_->Withdraw();
  EXPECT_FALSE(*PathExists(socket_));
  registration_->RunOnce();
  EXPECT_TRUE(*PathExists(socket_));
}

TEST_F(RegistrationTest, RefusalsAreWaitedOutLongerEachTime) {
  ServeCsi();
  registration_->RunOnce();
  EXPECT_EQ(registration_->CheckRegistered().message(),
            "kubelet has not registered the driver yet");
  StartRefusingKubelet();
  AwaitRefusals(1);
  EXPECT_EQ(registration_->CheckRegistered().message(),
            "registration refused by kubelet");
  absl::Duration longest = absl::Seconds(1);
  for (int refusals = 1; refusals < 10;) {
    const absl::Duration waited = TimeToANewSocket();
    EXPECT_GE(waited, longest / 2) << refusals;
    EXPECT_LE(waited, longest + absl::Milliseconds(100)) << refusals;
    longest = std::min(longest * 2, absl::Minutes(2));
    AwaitRefusals(++refusals);
  }
  EXPECT_THAT(Said(), HasSubstr("error=\"rpc error: code = UNIMPLEMENTED"));
}

// kubelet itself tries some refusals again, and more often than we would.
TEST_F(RegistrationTest, RefusalsWhileOneIsWaitedOutDoNotCount) {
  ServeCsi();
  registration_->RunOnce();
  Tell(false);
  for (int i = 0; i < 4; ++i) {
    clock_.Advance(absl::Milliseconds(100));
    Tell(false);
  }
  EXPECT_EQ(Count(Said(), "registration refused"), 1);
  EXPECT_LE(TimeToANewSocket(), absl::Milliseconds(700));
}

TEST_F(RegistrationTest, AgreementEndsTheWaitAndTheCount) {
  ServeCsi();
  registration_->RunOnce();
  for (int refusals = 0; refusals < 4; ++refusals) {
    Tell(false);
    TimeToANewSocket();
  }
  Tell(false);
  Tell(true);
  const ino_t inode = Inode();
  clock_.Advance(absl::Minutes(3));
  registration_->RunOnce();
  EXPECT_EQ(Inode(), inode);
  Tell(false);
  EXPECT_LE(TimeToANewSocket(), absl::Seconds(1) + absl::Milliseconds(100));
}

TEST_F(RegistrationTest, IsNotRegisteredWhereSomebodyElseTookThePath) {
  ServeCsi();
  registration_->RunOnce();
  Tell(true);
  EXPECT_OK(registration_->CheckRegistered());
  ASSERT_EQ(unlink(socket_.c_str()), 0);
  ASSERT_OK_AND_ASSIGN(const auto other, ListeningSocket::Open(socket_));
  registration_->RunOnce();
  EXPECT_THAT(registration_->CheckRegistered(),
              StatusIs(absl::StatusCode::kUnavailable));
}

// kubelet says it again whenever it starts; a new socket is news.
TEST_F(RegistrationTest, AgreementIsSaidOnceForEachSocket) {
  ServeCsi();
  registration_->RunOnce();
  Tell(true);
  Tell(true);
  EXPECT_EQ(Count(Said(), "registered with kubelet"), 1);
  ASSERT_EQ(unlink(socket_.c_str()), 0);
  registration_->RunOnce();
  EXPECT_FALSE(registration_->CheckRegistered().ok());
  Tell(true);
  EXPECT_EQ(Count(Said(), "registered with kubelet"), 2);
}

TEST_F(RegistrationTest, ClockThatIsSetBackDoesNotPutItOff) {
  ServeCsi();
  registration_->RunOnce();
  StartRefusingKubelet();
  AwaitRefusals(1);
  clock_.Advance(-absl::Hours(1));
  EXPECT_EQ(TimeToANewSocket(), absl::ZeroDuration());
}

TEST_F(RegistrationTest, SaysOnceThatKubeletDoesNotAsk) {
  ServeCsi();
  registration_->RunOnce();
  clock_.Advance(absl::Seconds(29));
  registration_->RunOnce();
  EXPECT_THAT(Said(), Not(HasSubstr("does not register")));
  for (int i = 0; i < 3; ++i) {
    clock_.Advance(absl::Seconds(31));
    registration_->RunOnce();
  }
  EXPECT_EQ(Count(Said(), "kubelet does not register the driver"), 1);
}

}  // namespace
}  // namespace oneagent
