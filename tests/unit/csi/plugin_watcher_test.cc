// The stand-in for kubelet's plugin manager keeps kubelet's rules.
#include "tests/support/plugin_watcher.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/log.h"
#include "csi/identity_service.h"
#include "csi/listening_socket.h"
#include "csi/registration_service.h"
#include "csi/server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr char kRefused[] = "refused csi.oneagent.dynatrace.com";

// A plugin without a Node service: whoever asks it is told no.
class PluginWatcherTest : public testing::Test {
 protected:
  void SetUp() override {
    std::vector<GrpcService> services;
    services.push_back(
        NewRegistrationService(csi_socket_, [](const RegistrationVerdict&) {}));
    server_ = std::make_unique<Server>(std::move(services));
    ASSERT_OK(server_->Start());
  }
  void TearDown() override { kubelet_.reset(); }

  void StartKubelet() {
    kubelet_ = std::make_unique<PluginWatcher>(
        PluginWatcher::Options{.directory = registry_});
  }
  void Listen(const std::string& name) {
    auto socket = ListeningSocket::Open(absl::StrCat(registry_, "/", name));
    ASSERT_OK(socket);
    server_->Listen(*std::move(socket));
  }

  TempDir dir_;
  SystemClock clock_;
  const Log log_{{.component = "mounter", .level = LogLevel::kError}, clock_};
  const std::string registry_ = dir_.MakeDir("registry");
  const std::string csi_socket_ = dir_.Path("csi.sock");
  std::unique_ptr<Server> server_;
  std::unique_ptr<PluginWatcher> kubelet_;
};

TEST_F(PluginWatcherTest, IgnoresDotNamesAndWhatIsNoSocket) {
  Listen(".early.sock");
  dir_.WriteFile("registry/early", "");
  StartKubelet();
  Listen(".late.sock");
  dir_.WriteFile("registry/late", "");
  Listen("seen.sock");
  ASSERT_TRUE(kubelet_->Await(kRefused));
  EXPECT_EQ(kubelet_->Story().size(), 1U);
  EXPECT_THAT(kubelet_->Drivers(), IsEmpty());
}

TEST_F(PluginWatcherTest, LooksIntoSubdirectoriesOldAndNew) {
  dir_.MakeDir("registry/old");
  Listen("old/a.sock");
  StartKubelet();
  ASSERT_TRUE(kubelet_->Await(kRefused));
  dir_.MakeDir("registry/new");
  Listen("new/b.sock");
  EXPECT_TRUE(kubelet_->Await(kRefused, 2));
}

TEST_F(PluginWatcherTest, TriesAgainWhatDidNotAnswerButNotWhatItAccepted) {
  Listen("a.sock");
  StartKubelet();
  ASSERT_TRUE(kubelet_->Await(kRefused));
  std::vector<GrpcService> services;
  services.push_back(NewIdentityService(log_));
  Server no_plugin(std::move(services));
  ASSERT_OK(no_plugin.Start());
  auto socket = ListeningSocket::Open(registry_ + "/z.sock");
  ASSERT_OK(socket);
  no_plugin.Listen(*std::move(socket));
  ASSERT_TRUE(kubelet_->Await("failed ", 3));
  EXPECT_THAT(kubelet_->Story(), Contains(StartsWith(kRefused)).Times(1));
}

}  // namespace
}  // namespace oneagent
