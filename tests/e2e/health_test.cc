// /healthz and /readyz of the shipped programs.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/unique_fd.h"
#include "cache/index/file_guard.h"
#include "tests/e2e/node.h"
#include "tests/support/http_client.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::HasSubstr;

constexpr char kFlag[] = "--health-address=127.0.0.1:0";

class HealthTest : public testing::Test {
 protected:
  void StartMounter(std::vector<std::string> flags = {}) {
    flags.push_back(kFlag);
    node_.StartMounter(flags);
    mounter_ = Node::PortOf("health-address", node_.MounterLog());
    ASSERT_NE(mounter_, 0) << node_.MounterLog();
  }
  void StartProvisioner() {
    node_.StartProvisioner({kFlag});
    ASSERT_TRUE(Node::WaitUntil([this] {
      provisioner_ = Node::PortOf("health-address", node_.ProvisionerLog());
      return provisioner_ != 0;
    })) << node_.ProvisionerLog();
  }
  static bool Becomes(int port, const char* path, int status) {
    return Node::WaitUntil(
        [&] { return HttpAsk(port, path).status == status; });
  }

  Node node_;
  int mounter_ = 0;
  int provisioner_ = 0;
};

TEST_F(HealthTest, BothDaemonsAreHealthyAndReady) {
  StartMounter();
  EXPECT_EQ(HttpAsk(mounter_, "/healthz").body, "ok\n");
  EXPECT_EQ(HttpAsk(mounter_, "/readyz").body,
            "index: ok\noverlay: ok\nsocket: ok\nvolumes: ok\n");
  EXPECT_EQ(HttpAsk(mounter_, "/readyz").status, 200);
  StartProvisioner();
  EXPECT_TRUE(Becomes(provisioner_, "/readyz", 200));
  EXPECT_EQ(HttpAsk(provisioner_, "/readyz").body,
            "dynakubes: ok\nindex: ok\n");
  EXPECT_EQ(HttpAsk(provisioner_, "/healthz").body, "ok\n");
}

// Restarting either of them would help nobody.
TEST_F(HealthTest, ALockedIndexMakesNobodyUnhealthy) {
  StartMounter();
  StartProvisioner();
  ASSERT_TRUE(Becomes(provisioner_, "/readyz", 200));
  FileGuard holder(node_.layout().IndexLock(), FileGuard::Missing::kCreate,
                   absl::Seconds(5));
  ASSERT_OK(holder.Lock(FileGuard::Mode::kExclusive));
  for (const int port : {mounter_, provisioner_}) {
    EXPECT_TRUE(Becomes(port, "/readyz", 503));
    EXPECT_THAT(HttpAsk(port, "/readyz").body, HasSubstr("index: "));
    EXPECT_EQ(HttpAsk(port, "/healthz").status, 200);
  }
  holder.Unlock();
  for (const int port : {mounter_, provisioner_}) {
    EXPECT_TRUE(Becomes(port, "/readyz", 200));
  }
}

TEST_F(HealthTest, AMounterThatCannotBeReachedIsUnhealthy) {
  StartMounter();
  // A file that is not ours is left alone, so that nobody listens any more.
  ASSERT_EQ(unlink(node_.socket().c_str()), 0);
  ASSERT_OK(
      WriteFileAtomically(node_.socket(), "x", 0600, Durability::kNoSync));
  const HttpReply reply = HttpAsk(mounter_, "/healthz");
  EXPECT_EQ(reply.status, 500);
  EXPECT_THAT(reply.body, HasSubstr(absl::StrCat("Probe on ", node_.socket())));
  EXPECT_TRUE(Becomes(mounter_, "/readyz", 503));
  EXPECT_THAT(HttpAsk(mounter_, "/readyz").body,
              HasSubstr(absl::StrCat("socket: socket ", node_.socket())));
  ASSERT_EQ(unlink(node_.socket().c_str()), 0);
  EXPECT_TRUE(Becomes(mounter_, "/healthz", 200)) << "it listens anew";
  EXPECT_TRUE(Becomes(mounter_, "/readyz", 200));
}

// Somebody who listens and never answers: the time limit counts.
TEST_F(HealthTest, AnAnswerThatDoesNotComeInTimeIsNone) {
  StartMounter({"--probe-timeout=200ms"});
  ASSERT_EQ(unlink(node_.socket().c_str()), 0);
  const UniqueFd silent(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  node_.socket().copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(silent.get(), reinterpret_cast<const sockaddr*>(&address),
                 sizeof(address)),
            0);
  ASSERT_EQ(listen(silent.get(), 8), 0);
  const HttpReply reply = HttpAsk(mounter_, "/healthz");
  EXPECT_EQ(reply.status, 500);
  EXPECT_THAT(reply.body, HasSubstr("Deadline Exceeded"));
}

TEST_F(HealthTest, UnusableAddressesEndTheStart) {
  StartMounter();
  const std::string taken = absl::StrCat("127.0.0.1:", mounter_);
  const auto expect_refused = [](Daemon& daemon, const std::string& why,
                                 int exit_code) {
    EXPECT_EQ(daemon.Wait(), exit_code);
    EXPECT_THAT(daemon.Log(), HasSubstr(why));
  };
  for (const char* const flag : {"--health-address", "--metrics-address"}) {
    const std::string in_use =
        absl::StrCat(flag, ": ", taken, ": Address already in use");
    const std::string malformed =
        absl::StrCat(flag, "=nowhere: not IP:PORT or :PORT");
    node_.StartProvisioner({absl::StrCat(flag, "=", taken)});
    expect_refused(node_.provisioner(), in_use, 1);
    node_.StartProvisioner({absl::StrCat(flag, "=nowhere")});
    expect_refused(node_.provisioner(), malformed, 2);
  }
}

}  // namespace
}  // namespace oneagent
