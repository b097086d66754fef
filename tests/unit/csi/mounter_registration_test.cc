// The shipped mounter registers itself with kubelet.
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/csi_client.h"
#include "tests/support/daemon.h"
#include "tests/support/plugin_watcher.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/text.h"
#include "tests/unit/csi/mounter_registration_fixture.h"

namespace oneagent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(MounterRegistrationTest, KubeletFindsItAndIsTold) {
  StartKubelet();
  Start(mounter_);
  ASSERT_TRUE(kubelet_->Await(kRegistered)) << mounter_.Log();
  const std::map<std::string, RegisteredDriver> drivers = kubelet_->Drivers();
  ASSERT_EQ(drivers.count(kDriver), 1U);
  const RegisteredDriver& driver = drivers.at(kDriver);
  EXPECT_EQ(driver.socket, registration_);
  EXPECT_EQ(driver.endpoint, mounter_.kubelet_socket);
  EXPECT_EQ(driver.node_id, "node-1");
  // At once: nothing had to be tried twice.
  EXPECT_THAT(kubelet_->Story(), ElementsAre(kRegistered));
  EXPECT_THAT(Registry(), ElementsAre("csi.oneagent.dynatrace.com-reg.sock"));
  struct stat info;
  ASSERT_EQ(lstat(registration_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode, mode_t{S_IFSOCK | 0600});
  AwaitLog(mounter_, "registered with kubelet");
}

TEST_F(MounterRegistrationTest, KubeletThatStartsAnewFindsTheSocketAgain) {
  StartKubelet();
  Start(mounter_);
  ASSERT_TRUE(kubelet_->Await(kRegistered));
  for (int i = 0; i < 3; ++i) {
    kubelet_.reset();
    StartKubelet();
    ASSERT_TRUE(kubelet_->Await(kRegistered));
    EXPECT_THAT(kubelet_->Story(), ElementsAre(kRegistered));
  }
  EXPECT_EQ(Count(mounter_.Log(), "registered with kubelet"), 1);
}

// kubelet does not try again by itself, so the socket is made anew.
TEST_F(MounterRegistrationTest, RefusalIsSaidAndEndsInARegistration) {
  std::atomic<int> conflicts = 2;
  StartKubelet([&conflicts](const std::string&) {
    return conflicts-- > 0 ? absl::AbortedError("CSINode: conflict")
                           : absl::OkStatus();
  });
  Start(mounter_);
  ASSERT_TRUE(kubelet_->Await(kRegistered)) << mounter_.Log();
  const std::string refusal = absl::StrCat(kRefused, ": CSINode: conflict");
  EXPECT_THAT(kubelet_->Story(), ElementsAre(refusal, kDeregistered, refusal,
                                             kDeregistered, kRegistered));
  AwaitLog(mounter_, "registered with kubelet");
  EXPECT_EQ(Count(mounter_.Log(), "registration refused by kubelet"), 2);
  EXPECT_THAT(mounter_.Log(), HasSubstr("error=\"CSINode: conflict\""));
}

TEST_F(MounterRegistrationTest, EndpointThatKubeletCannotReachIsNamed) {
  StartKubelet();
  Start(mounter_, {absl::StrCat("--registration-dir=", registry_),
                   "--kubelet-socket-path=/nonexistent/csi.sock"});
  ASSERT_TRUE(kubelet_->Await(kRefused));
  AwaitLog(mounter_, "registration refused by kubelet");
  EXPECT_THAT(mounter_.Log(), HasSubstr("endpoint=/nonexistent/csi.sock"));
  TestCsiClient client(mounter_.socket);
  EXPECT_THAT(client.Probe(), IsOkAndHolds(true));
}

TEST_F(MounterRegistrationTest, SocketThatSomebodyRemovesComesBack) {
  StartKubelet();
  Start(mounter_);
  ASSERT_TRUE(kubelet_->Await(kRegistered));
  ASSERT_EQ(unlink(registration_.c_str()), 0);
  ASSERT_TRUE(kubelet_->Await(kRegistered, 2)) << mounter_.Log();
  EXPECT_THAT(kubelet_->Story(),
              ElementsAre(kRegistered, kDeregistered, kRegistered));
}

TEST_F(MounterRegistrationTest, KilledMountersSocketIsReplaced) {
  Start(mounter_);
  while (!*PathExists(registration_)) std::this_thread::yield();
  mounter_.daemon->Kill();
  ASSERT_TRUE(*PathExists(registration_));
  // It tries the dead one, and would wait longer each time.
  kubelet_ = std::make_unique<PluginWatcher>(PluginWatcher::Options{
      .directory = registry_, .dial_timeout = absl::Milliseconds(50)});
  ASSERT_TRUE(kubelet_->Await("failed ", 2));
  Start(mounter_);
  EXPECT_TRUE(kubelet_->Await(kRegistered)) << mounter_.Log();
}

// Before anything that may take long, or fail.
TEST_F(MounterRegistrationTest, DeadSocketIsRemovedBeforeTheMounterServes) {
  Start(mounter_);
  while (!*PathExists(registration_)) std::this_thread::yield();
  mounter_.daemon->Kill();
  ASSERT_EQ(rename(dir_.Path("kubelet").c_str(), dir_.Path("gone").c_str()), 0);
  const ProgramResult result =
      RunProgram(Command(mounter_, RegistrationFlags(mounter_)));
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("kubelet"));
  EXPECT_THAT(Registry(), IsEmpty());
}

TEST_F(MounterRegistrationTest, TermDeregistersBeforeTheDriverIsGone) {
  StartKubelet();
  Start(mounter_);
  ASSERT_TRUE(kubelet_->Await(kRegistered));
  // One queue for both directories, so their order is told.
  const UniqueFd events(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  const int registry =
      inotify_add_watch(events.get(), registry_.c_str(), IN_DELETE);
  inotify_add_watch(events.get(), dir_.path().c_str(), IN_DELETE);
  EXPECT_EQ(mounter_.daemon->Terminate(), 0);
  alignas(inotify_event) char buffer[4096];
  ASSERT_GT(read(events.get(), buffer, sizeof(buffer)), 0);
  EXPECT_EQ(reinterpret_cast<const inotify_event*>(buffer)->wd, registry);
  AwaitEndpoint("");
  EXPECT_THAT(Registry(), IsEmpty());
}

TEST_F(MounterRegistrationTest, MissingDirectoryIsSaidOnceAndWaitedFor) {
  ASSERT_EQ(rmdir(registry_.c_str()), 0);
  Start(mounter_);
  AwaitLog(mounter_, absl::StrCat("error=\"open ", registry_,
                                  ": No such file or directory\""));
  dir_.MakeDir("registry");
  StartKubelet();
  ASSERT_TRUE(kubelet_->Await(kRegistered)) << mounter_.Log();
  EXPECT_EQ(Count(mounter_.Log(), "cannot listen"), 1);
  // And again, while it is in use.
  kubelet_.reset();
  ASSERT_EQ(rename(registry_.c_str(), dir_.Path("old").c_str()), 0);
  AwaitLog(mounter_, "socket lost");
  dir_.MakeDir("registry");
  StartKubelet();
  EXPECT_TRUE(kubelet_->Await(kRegistered)) << mounter_.Log();
}

TEST_F(MounterRegistrationTest, SecondInstanceTakesOverWhenTheFirstEnds) {
  StartKubelet();
  Start(mounter_);
  ASSERT_TRUE(kubelet_->Await(kRegistered));
  Mounter second(dir_, "second");
  Start(second);
  AwaitLog(second, "another instance is listening there");
  AwaitEndpoint(mounter_.kubelet_socket);
  EXPECT_EQ(mounter_.daemon->Terminate(), 0);
  ASSERT_TRUE(kubelet_->Await(kRegistered, 2)) << second.Log();
  AwaitEndpoint(second.kubelet_socket);
  EXPECT_EQ(Count(second.Log(), "another instance is listening there"), 1);
  EXPECT_TRUE(*PathExists(registration_));
}

// The sidecar removes whatever socket is there, and its own at its end.
TEST_F(MounterRegistrationTest, SidecarThatTakesThePathIsLeftItWhileItLives) {
  StartKubelet();
  Start(mounter_);
  ASSERT_TRUE(kubelet_->Await(kRegistered));
  Mounter other(dir_, "other");
  Start(other, {});
  auto registrar = StartRegistrar(other);
  ASSERT_OK(registrar);
  AwaitLog(mounter_, "another instance is listening there");
  ASSERT_TRUE(kubelet_->Await(kRegistered, 2));
  AwaitEndpoint(other.kubelet_socket);
  registrar->reset();
  ASSERT_TRUE(kubelet_->Await(kRegistered, 3)) << mounter_.Log();
  AwaitEndpoint(mounter_.kubelet_socket);
  // What ends as not ours any more leaves its successor's socket alone.
  registrar = StartRegistrar(other);
  ASSERT_OK(registrar);
  EXPECT_EQ(mounter_.daemon->Terminate(), 0);
  EXPECT_TRUE(*PathExists(registration_));
  EXPECT_TRUE(kubelet_->Await(kRegistered, 4));
}

// Two sockets, one name: kubelet refuses the second for as long as the first
// one is there.
TEST_F(MounterRegistrationTest, AnotherDriverOfItsNameIsWaitedFor) {
  Mounter other(dir_, "other");
  Start(other, {});
  auto registrar = StartRegistrar(other);
  ASSERT_OK(registrar);
  ASSERT_EQ(rename(registration_.c_str(), (registry_ + "/a.sock").c_str()), 0);
  StartKubelet();
  ASSERT_TRUE(kubelet_->Await(kRegistered));
  Start(mounter_);
  AwaitLog(mounter_, "another driver with the same name");
  ASSERT_EQ(unlink((registry_ + "/a.sock").c_str()), 0);
  ASSERT_TRUE(kubelet_->Await(kRegistered, 2)) << mounter_.Log();
  AwaitEndpoint(mounter_.kubelet_socket);
}

TEST_F(MounterRegistrationTest, AnotherUserIsRefused) {
  Start(mounter_);
  while (!*PathExists(registration_)) std::this_thread::yield();
  ASSERT_EQ(chmod(dir_.path().c_str(), 0755), 0);
  ASSERT_EQ(chmod(registry_.c_str(), 0755), 0);
  const pid_t child = fork();
  if (child == 0) {
    if (setgid(4711) != 0 || setuid(4711) != 0) _exit(255);
    const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, registration_.data(), registration_.size());
    const int result = connect(
        fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    _exit(result == 0 ? 0 : errno);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), EACCES);
}

TEST_F(MounterRegistrationTest, NeitherSocketServesWhatTheOtherIsFor) {
  Start(mounter_);
  while (!*PathExists(registration_)) std::this_thread::yield();
  TestCsiClient client(registration_);
  EXPECT_THAT(client.Probe(), StatusIs(absl::StatusCode::kUnimplemented));
  EXPECT_THAT(client.GetNodeId(), StatusIs(absl::StatusCode::kUnimplemented));
  // As a plugin's socket the other one is worth nothing to kubelet.
  ASSERT_EQ(rename(registration_.c_str(), dir_.Path("kept").c_str()), 0);
  ASSERT_EQ(link(mounter_.socket.c_str(), (registry_ + "/csi.sock").c_str()),
            0);
  StartKubelet();
  EXPECT_TRUE(kubelet_->Await(absl::StrCat("failed ", registry_, "/csi.sock")));
}

}  // namespace
}  // namespace oneagent
