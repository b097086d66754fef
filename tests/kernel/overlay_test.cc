// MountOverlay, in each of the three ways.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/kernel/mount_fixture.h"
#include "tests/support/forked_peer.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class OverlayMount : public EveryApi {};
INSTANTIATE_FOR_EVERY_API(OverlayMount);

TEST_P(OverlayMount, ShowsTheUppermostLayerOfEachFile) {
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  EXPECT_EQ(Contents(InTarget("version")), "1.2.3");
  EXPECT_EQ(Contents(InTarget("conf")), "of the tenant");
  EXPECT_THAT(mounter_.IsMounted(target()), IsOkAndHolds(true));
}

TEST_P(OverlayMount, IsOurOwnInTheMountTable) {
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  const std::vector<MountEntry> mounts = Mounts();
  ASSERT_THAT(mounts, SizeIs(1));
  EXPECT_EQ(mounts[0].source, kMountSource);
  EXPECT_EQ(mounts[0].fs_type, "overlay");
  EXPECT_THAT(mounts[0].options,
              AllOf(HasSubstr("nosuid"), HasSubstr("nodev")));
  EXPECT_THAT(mounts[0].super_options, HasSubstr("volatile"));
}

TEST_P(OverlayMount, WritesGoToTheUpperLayerAlone) {
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  EXPECT_EQ(WriteTo(InTarget("version"), "changed"), 0);
  EXPECT_EQ(WriteTo(InTarget("log"), "line"), 0);
  EXPECT_EQ(Contents(Disk("agent/version")), "1.2.3");
  EXPECT_EQ(Contents(Disk("upper/version")), "changed");
  EXPECT_EQ(Contents(Disk("upper/log")), "line");
}

TEST_P(OverlayMount, WithoutUpperIsReadOnly) {
  ASSERT_OK(mounter_.MountOverlay(ReadOnly(), target()));
  EXPECT_EQ(Contents(InTarget("conf")), "of the tenant");
  EXPECT_EQ(WriteTo(InTarget("version"), "changed"), EROFS);
  ASSERT_THAT(Mounts(), SizeIs(1));
  EXPECT_THAT(Mounts()[0].options, HasSubstr("ro"));
}

TEST_P(OverlayMount, TakesPathsWithEverySpecialByte) {
  for (const std::string& name :
       {std::string("a:b"), std::string("a,b"), std::string("a\\b"),
        std::string("a b"), std::string("\\"), std::string("\\\\:,"),
        std::string("a\nb\tc"), std::string("x=y#\"'"), std::string(","),
        std::string("upperdir=,volatile"), std::string("\303\244 \377")}) {
    SCOPED_TRACE(name);
    const std::string base = "odd/" + name;
    const LayerStack stack{
        .lower = {MakeLayer(absl::StrCat(base, "/l1:", name)),
                  MakeLayer(absl::StrCat(base, "/l2,", name))},
        .upper = MakeLayer(absl::StrCat(base, "/u ", name), 0777),
        .work = MakeLayer(absl::StrCat(base, "/w\\", name))};
    WriteLayerFile(stack.lower[0] + "/one", "1");
    WriteLayerFile(stack.lower[1] + "/two", "2");
    ASSERT_OK_AND_ASSIGN(const OverlayPlan plan, PlanOverlay(stack, ""));
    ASSERT_OK(mounter_.MountOverlay(plan, target()));
    EXPECT_EQ(Contents(InTarget("one")), "1");
    EXPECT_EQ(Contents(InTarget("two")), "2");
    EXPECT_EQ(WriteTo(InTarget("three"), "3"), 0);
    EXPECT_EQ(Contents(stack.upper + "/three"), "3");
    ASSERT_OK(mounter_.Unmount(target()));
  }
}

TEST_P(OverlayMount, RefusesATargetThatIsMountedAlready) {
  ASSERT_OK(mounter_.MountOverlay(ReadOnly(), target()));
  EXPECT_THAT(mounter_.MountOverlay(ReadOnly(), target()),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       HasSubstr("something is mounted there already")));
  EXPECT_THAT(Mounts(), SizeIs(1));
}

TEST_P(OverlayMount, NamesTheLayerThatIsMissing) {
  OverlayPlan plan = Writable();
  plan.lower[1] = Disk("agents/gone");
  EXPECT_THAT(mounter_.MountOverlay(plan, target()),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("lower layer " + Disk("agents/gone"))));
  EXPECT_FALSE(IsMountRoot());
}

TEST_P(OverlayMount, RefusesALayerThatIsASymlink) {
  ASSERT_EQ(symlink(Disk("agent").c_str(), Disk("link").c_str()), 0);
  ASSERT_OK_AND_ASSIGN(
      const OverlayPlan plan,
      PlanOverlay(
          LayerStack{
              .lower = {Disk("link"), Disk("config")}, .upper = "", .work = ""},
          ""));
  EXPECT_THAT(mounter_.MountOverlay(plan, target()),
              StatusIs(absl::StatusCode::kInternal,
                       HasSubstr("lower layer " + Disk("link"))));
  EXPECT_FALSE(IsMountRoot());
}

// Whoever may rename directories of the cache and write its rows.
TEST_P(OverlayMount, RefusesALayerThatIsElsewhere) {
  ASSERT_EQ(mkdir(Disk("secret").c_str(), 0700), 0);
  ASSERT_EQ(mkdir(Disk("secret/of-others").c_str(), 0700), 0);
  ASSERT_EQ(symlink(Disk("secret").c_str(), Disk("agents").c_str()), 0);
  for (const char* const name : {"agents/of-others", "agent/../secret"}) {
    ASSERT_OK_AND_ASSIGN(
        const OverlayPlan plan,
        PlanOverlay(
            LayerStack{
                .lower = {Disk(name), Disk("config")}, .upper = "", .work = ""},
            ""));
    EXPECT_THAT(mounter_.MountOverlay(plan, target()),
                StatusIs(absl::StatusCode::kInternal,
                         HasSubstr("lower layer " + Disk(name))));
    EXPECT_FALSE(IsMountRoot());
  }
}

TEST_P(OverlayMount, ErrorLeavesNothingMounted) {
  // Upper and work on different file systems: refused only when the super
  // block is made.
  const std::string other = MakeLayer("other");
  MountForeign(other);
  OverlayPlan plan = Writable();
  plan.work = other;
  plan.legacy_options = "lowerdir=" + Disk("agent") +
                        ",upperdir=" + Disk("upper") + ",workdir=" + other;
  EXPECT_THAT(mounter_.MountOverlay(plan, target()),
              StatusIs(absl::StatusCode::kInternal, HasSubstr(target_path())));
  EXPECT_FALSE(IsMountRoot());
  EXPECT_EQ(UnmountRaw(other), 0);
}

TEST_P(OverlayMount, DeathBeforeAttachLeavesNothingMounted) {
  const int code = RunInChild([&] {
    ArmFailpoint("overlay:built", [] { _exit(42); });
    (void)mounter_.MountOverlay(Writable(), target());
    return 0;
  });
  EXPECT_EQ(code, 42);
  EXPECT_THAT(Mounts(), IsEmpty());
  ASSERT_OK(ClearVolatileMarker(Disk("work")));
  EXPECT_OK(mounter_.MountOverlay(Writable(), target()));
}

TEST_P(OverlayMount, IsSeenInAPeerNamespaceAndLeavesItAgain) {
  // Kubelet's directory is shared: that is how a mount reaches the host.
  const std::string pods = temp_.Path("kubelet");
  ASSERT_EQ(mount(pods.c_str(), pods.c_str(), nullptr, MS_BIND, nullptr), 0);
  ASSERT_EQ(mount(nullptr, pods.c_str(), nullptr, MS_SHARED, nullptr), 0);
  const UniqueFd shared_parent(
      open(target_path().substr(0, target_path().rfind('/')).c_str(),
           O_PATH | O_DIRECTORY | O_CLOEXEC));
  const MountTarget shared{
      .parent_fd = shared_parent.get(), .name = "mount", .path = target_path()};
  ForkedPeer peer([this](Turns& test) {
    if (unshare(CLONE_NEWNS) != 0 || !test.Say()) return 1;
    for (const char* want : {"1.2.3", "<No such file or directory>"}) {
      if (!test.Hear()) return 2;
      if (Contents(InTarget("version")) != want) return 3;
      if (!test.Say()) return 4;
    }
    return 0;
  });
  EXPECT_TRUE(peer.Hear());
  EXPECT_OK(mounter_.MountOverlay(Writable(), shared));
  EXPECT_TRUE(peer.Say() && peer.Hear());
  EXPECT_OK(mounter_.Unmount(shared));
  EXPECT_TRUE(peer.Say());
  EXPECT_EQ(peer.Wait(), 0);
  ASSERT_EQ(umount2(pods.c_str(), MNT_DETACH), 0);
}

class NewApi : public EveryApi {};
INSTANTIATE_TEST_SUITE_P(Kernel, NewApi,
                         testing::Values(MountApi::kLayerFds,
                                         MountApi::kLayerStrings),
                         ApiName);

TEST_P(NewApi, ErrorsCarryTheKernelsOwnText) {
  if (NotOnThisKernel(CapabilityFor(GetParam()))) return;
  const std::string frozen = MakeLayer("frozen");
  MountForeign(frozen);
  ASSERT_EQ(mkdir((frozen + "/upper").c_str(), 0777), 0);
  ASSERT_EQ(mkdir((frozen + "/work").c_str(), 0777), 0);
  ASSERT_EQ(mount(nullptr, frozen.c_str(), nullptr,
                  MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr),
            0);
  OverlayPlan plan = Writable();
  plan.upper = frozen + "/upper";
  plan.work = frozen + "/work";
  EXPECT_THAT(mounter_.MountOverlay(plan, target()),
              StatusIs(absl::StatusCode::kInternal,
                       AllOf(HasSubstr("overlay for " + target_path()),
                             HasSubstr("upperdir="), HasSubstr("read-only"))));
  EXPECT_EQ(UnmountRaw(frozen), 0);
}

TEST_P(NewApi, IsCompleteBeforeItIsVisible) {
  if (NotOnThisKernel(CapabilityFor(GetParam()))) return;
  bool seen = false;
  ArmFailpoint("overlay:built", [&] {
    seen = true;
    EXPECT_FALSE(IsMountRoot());
  });
  EXPECT_OK(mounter_.MountOverlay(Writable(), target()));
  DisarmFailpoints();
  EXPECT_TRUE(seen);
  EXPECT_TRUE(IsMountRoot());
}

}  // namespace
}  // namespace oneagent
