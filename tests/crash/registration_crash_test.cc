// The mounter dies at every numbered step of "register" and of the "listen"
// that is its third, while kubelet looks on; the next one must end registered,
// and leave nothing but its socket in kubelet's directory.
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/csi/mounter_registration_fixture.h"

namespace oneagent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int kDied = 42;

struct Crash {
  const char* failpoint;
  const char* times = "1";
  // Its first socket is refused, so that it comes to make a second one.
  bool refused = false;
};

class RegistrationCrashTest : public MounterRegistrationTest,
                              public testing::WithParamInterface<Crash> {};

TEST_P(RegistrationCrashTest, NextMounterIsRegistered) {
  std::atomic<bool> is_refused = GetParam().refused;
  StartKubelet([&is_refused](const std::string&) {
    return is_refused ? absl::AbortedError("conflict") : absl::OkStatus();
  });
  std::vector<std::string> argv =
      Command(mounter_, RegistrationFlags(mounter_));
  argv[0] = GetParam().times;
  argv.insert(argv.begin(), {DYING_MOUNTER_BINARY, GetParam().failpoint});
  mounter_.daemon = std::make_unique<Daemon>(argv, mounter_.log_path);
  ASSERT_EQ(mounter_.daemon->Wait(), kDied) << mounter_.Log();
  is_refused = false;

  Start(mounter_);
  AwaitEndpoint(mounter_.kubelet_socket);
  EXPECT_THAT(Registry(), ElementsAre(absl::StrCat(kDriver, "-reg.sock")));
  EXPECT_EQ(mounter_.daemon->Terminate(), 0);
  AwaitEndpoint("");
  EXPECT_THAT(Registry(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    Steps, RegistrationCrashTest,
    testing::Values(Crash{.failpoint = "register:1", .refused = true},
                    Crash{.failpoint = "register:2"},
                    // The first time is csi.sock's.
                    Crash{.failpoint = "listen:3", .times = "2"},
                    Crash{.failpoint = "listen:4", .times = "2"}),
    [](const testing::TestParamInfo<Crash>& test) {
      return absl::StrReplaceAll(test.param.failpoint, {{":", "_"}});
    });

}  // namespace
}  // namespace oneagent
