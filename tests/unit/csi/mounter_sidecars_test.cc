// The shipped mounter beside the CSI project's sidecars: one registers it with
// kubelet, the other one watches it.
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/sidecars.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/csi/mounter_registration_fixture.h"

namespace oneagent {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// The sidecars' way: the mounter's flag is empty.
class MounterWithSidecarsTest : public MounterRegistrationTest {};

TEST_F(MounterWithSidecarsTest, TheyMayStartBeforeTheMounter) {
  StartKubelet();
  absl::StatusOr<std::unique_ptr<NodeDriverRegistrar>> registrar;
  std::thread starting([&] { registrar = StartRegistrar(mounter_); });
  absl::StatusOr<std::unique_ptr<LivenessProbe>> probe;
  std::thread probing([&] { probe = LivenessProbe::Start(mounter_.socket); });
  Start(mounter_, {"--registration-dir="});
  starting.join();
  probing.join();
  ASSERT_OK(registrar);
  ASSERT_OK(probe);
  ASSERT_TRUE(kubelet_->Await(kRegistered));
  AwaitEndpoint(mounter_.kubelet_socket);
  EXPECT_FALSE((*registrar)->HasBeenRefused());
  EXPECT_EQ((*probe)->Healthz(), 200);
  EXPECT_THAT(mounter_.Log(), Not(HasSubstr("registered")));
}

TEST_F(MounterWithSidecarsTest, ProbeSeesTheMountersEndAndItsReturn) {
  Start(mounter_, {});
  const auto probe = LivenessProbe::Start(mounter_.socket);
  ASSERT_OK(probe);
  ASSERT_EQ((*probe)->Healthz(), 200);
  mounter_.daemon->Kill();
  EXPECT_EQ((*probe)->Healthz(), 500);
  Start(mounter_, {});
  EXPECT_EQ((*probe)->Healthz(), 200);
}

// The registrar knows the driver by its socket's path, which is there again.
TEST_F(MounterWithSidecarsTest, RestartOfTheMounterNeedsNoneOfTheRegistrar) {
  Start(mounter_, {});
  const auto registrar = StartRegistrar(mounter_);
  ASSERT_OK(registrar);
  EXPECT_EQ(mounter_.daemon->Terminate(), 0);
  Start(mounter_, {});
  StartKubelet();
  EXPECT_TRUE(kubelet_->Await(kRegistered));
  EXPECT_FALSE((*registrar)->HasBeenRefused());
}

TEST_F(MounterWithSidecarsTest, RegistrarExitsWhereNobodyServes) {
  const auto registrar = NodeDriverRegistrar::Start(
      {.csi_address = mounter_.socket,
       .kubelet_registration_path = mounter_.kubelet_socket,
       .plugin_registration_path = registry_,
       .connect_for = absl::Milliseconds(50)});
  EXPECT_THAT(registrar, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(Registry(), IsEmpty());
}

}  // namespace
}  // namespace oneagent
