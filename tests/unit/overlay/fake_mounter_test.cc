// The fake is believed by every test of the publisher: it keeps the port's
// promises as KernelMounter does in tests/kernel.
#include "tests/support/fake_mounter.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Verb = FakeMounter::Verb;

class FakeMounterTest : public testing::Test {
 protected:
  const MountTarget target_{.parent_fd = -1, .name = "mount", .path = "/t"};
  FakeMounter mounter_;
};

TEST_F(FakeMounterTest, RemembersWhatIsMounted) {
  OverlayPlan plan;
  plan.lower = {"/agent"};
  ASSERT_OK(mounter_.MountOverlay(plan, target_));
  ASSERT_THAT(mounter_.MountsAt("/t"), SizeIs(1));
  EXPECT_EQ(mounter_.MountsAt("/t")[0].plan, plan);
  EXPECT_THAT(mounter_.IsMounted(target_), IsOkAndHolds(true));
  ASSERT_OK(mounter_.Unmount(target_));
  EXPECT_THAT(mounter_.IsMounted(target_), IsOkAndHolds(false));
  EXPECT_OK(mounter_.Unmount(target_));
  EXPECT_THAT(mounter_.Calls(),
              ElementsAre("MountOverlay /t", "Unmount /t", "Unmount /t"));
}

TEST_F(FakeMounterTest, NeverStacksAndUnmountsEverything) {
  ASSERT_OK(mounter_.MountEmpty({.reason = "why"}, target_));
  EXPECT_THAT(mounter_.BindStorage("/s", /*read_only=*/false, target_),
              StatusIs(absl::StatusCode::kAlreadyExists));
  mounter_.AddForeignMount("/t");
  EXPECT_THAT(mounter_.MountsAt("/t"), SizeIs(2));
  ASSERT_OK(mounter_.Unmount(target_));
  EXPECT_THAT(mounter_.MountedPaths(), IsEmpty());
}

TEST_F(FakeMounterTest, FailsAsScriptedAndChangesNothing) {
  mounter_.FailNext(Verb::kMountEmpty, absl::InternalError("scripted"), 2);
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(mounter_.MountEmpty({.reason = "why"}, target_),
                StatusIs(absl::StatusCode::kInternal));
  }
  EXPECT_THAT(mounter_.MountedPaths(), IsEmpty());
  EXPECT_OK(mounter_.MountEmpty({.reason = "why"}, target_));
  mounter_.FailAlways(Verb::kUnmount, absl::InternalError("scripted"));
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(mounter_.Unmount(target_),
                StatusIs(absl::StatusCode::kInternal));
  }
  mounter_.Heal();
  EXPECT_OK(mounter_.Unmount(target_));
}

TEST_F(FakeMounterTest, IsBusyUntilItIsNot) {
  ASSERT_OK(mounter_.BindStorage("/s", /*read_only=*/true, target_));
  mounter_.SetBusy("/t", true);
  EXPECT_THAT(mounter_.Unmount(target_),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(mounter_.MountedPaths(), ElementsAre("/t"));
  mounter_.SetBusy("/t", false);
  EXPECT_OK(mounter_.Unmount(target_));
}

TEST_F(FakeMounterTest, LosesItsMountsAsARebootDoes) {
  ASSERT_OK(mounter_.MountEmpty({.reason = "why"}, target_));
  mounter_.LoseMounts();
  EXPECT_THAT(mounter_.IsMounted(target_), IsOkAndHolds(false));
}

TEST_F(FakeMounterTest, RunsTheHookBeforeTheCallTakesEffect) {
  bool mounted_before = true;
  mounter_.OnCall(Verb::kMountEmpty, [&](const MountTarget& target) {
    mounted_before = !mounter_.MountsAt(target.path).empty();
  });
  ASSERT_OK(mounter_.MountEmpty({.reason = "why"}, target_));
  EXPECT_FALSE(mounted_before);
}

}  // namespace
}  // namespace oneagent
