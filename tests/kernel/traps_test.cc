// What the kernel does that nobody expects, each with what we do about it. The
// first half of every test is the kernel alone: should a later kernel change
// its mind, it says so here.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/confined_path.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "overlay/target_resolver.h"
#include "tests/kernel/mount_fixture.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class Trap : public EveryApi {
 protected:
  UniqueFd OpenTargetNow() const {
    return UniqueFd(open(target_path().c_str(),
                         O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  }
  static std::string ByDescriptor(const UniqueFd& fd) {
    return absl::StrCat("/proc/self/fd/", fd.get());
  }
};
INSTANTIATE_FOR_EVERY_API(Trap);

TEST_P(Trap, StatxOnADescriptorOpenedBeforeTheMountSeesNoRoot) {
  const UniqueFd before = OpenTargetNow();
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  struct statx info = {};
  ASSERT_EQ(statx(before.get(), "", AT_EMPTY_PATH, STATX_TYPE, &info), 0);
  EXPECT_EQ(info.stx_attributes & STATX_ATTR_MOUNT_ROOT, 0U);
  EXPECT_THAT(mounter_.IsMounted(target()), IsOkAndHolds(true));
}

TEST_P(Trap, UmountByADescriptorOfTheRootFailsAndByParentAndNameWorks) {
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  {
    const UniqueFd root = OpenTargetNow();
    // The descriptor itself keeps the mount busy; and without following its
    // link it is no mount point.
    EXPECT_EQ(umount2(ByDescriptor(root).c_str(), 0), -1);
    EXPECT_EQ(errno, EBUSY);
    EXPECT_EQ(umount2(ByDescriptor(root).c_str(), UMOUNT_NOFOLLOW), -1);
    EXPECT_EQ(errno, EINVAL);
  }
  EXPECT_TRUE(IsMountRoot());
  EXPECT_OK(mounter_.Unmount(target()));
  EXPECT_FALSE(IsMountRoot());
}

TEST_P(Trap, ASecondAttachStacksSilentlySoTheMounterLooksFirst) {
  const UniqueFd before = OpenTargetNow();
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  for (int i = 0; i < 2; ++i) {
    const UniqueFd context(fsopen("tmpfs", FSOPEN_CLOEXEC));
    ASSERT_EQ(fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0),
              0);
    const UniqueFd detached(fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
    EXPECT_EQ(move_mount(detached.get(), "", before.get(), "",
                         MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
              0);
  }
  EXPECT_THAT(Mounts(), SizeIs(3));
  EXPECT_THAT(mounter_.MountOverlay(Writable(), target()),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(mounter_.MountEmpty({.reason = "why"}, target()),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(mounter_.BindStorage(Disk("agent"), true, target()),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(Mounts(), SizeIs(3));
  EXPECT_OK(mounter_.Unmount(target()));
  EXPECT_THAT(Mounts(), IsEmpty());
}

TEST_P(Trap, AKubeletRootThatIsALinkFailsNoSymlinksSoItIsOpenedOnce) {
  const std::string link = temp_.Path("kubelet-link");
  ASSERT_EQ(symlink(temp_.Path("kubelet").c_str(), link.c_str()), 0);
  const std::string path =
      link + target_path().substr(temp_.Path("kubelet").size());
  EXPECT_THAT(OpenWithoutSymlinks(path, O_PATH),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_OK_AND_ASSIGN(const auto resolver,
                       TargetResolver::Open(link, TargetCheck::kKubelet));
  ASSERT_OK_AND_ASSIGN(const ResolvedTarget resolved, resolver->Resolve(path));
  ASSERT_OK(mounter_.MountOverlay(Writable(), resolved.target()));
  EXPECT_TRUE(IsMountRoot());
  ASSERT_OK(mounter_.Unmount(resolved.target()));
}

TEST_P(Trap, AReadOnlyOverlayOfOneLayerIsRefusedSoAnEmptyOneIsStackedBelow) {
  OverlayPlan single = ReadOnly();
  single.lower = {Disk("agent")};
  single.legacy_options = "lowerdir=" + Disk("agent");
  EXPECT_THAT(mounter_.MountOverlay(single, target()),
              StatusIs(absl::StatusCode::kInternal));
  ASSERT_OK_AND_ASSIGN(
      const OverlayPlan plan,
      PlanOverlay(LayerStack{.lower = {Disk("agent")}, .upper = "", .work = ""},
                  Disk("empty")));
  ASSERT_OK(mounter_.MountOverlay(plan, target()));
  EXPECT_EQ(Contents(InTarget("version")), "1.2.3");
}

// A path of `length` bytes below the disk, made.
std::string LongLayer(const std::string& root, size_t length) {
  std::string path = root;
  while (path.size() + 1 < length) {
    const size_t left = length - path.size() - 1;
    // Never leave a rest of one byte: it would be the slash alone.
    const size_t part = left > 200 ? (left == 201 ? 199 : 200) : left;
    absl::StrAppend(&path, "/", std::string(part, 'd'));
    EXPECT_EQ(mkdir(path.c_str(), 0755), 0) << errno;
  }
  EXPECT_EQ(path.size(), length);
  return path;
}

TEST_P(Trap, AStringAbove255BytesIsRefusedSoItGoesThroughTheDescriptor) {
  if (NotOnThisKernel(Capability::kLayerStrings)) return;
  const UniqueFd context(fsopen("overlay", FSOPEN_CLOEXEC));
  const std::string edge = LongLayer(MakeLayer("e"), 255);
  const std::string over = LongLayer(MakeLayer("o"), 256);
  EXPECT_EQ(fsconfig(context.get(), FSCONFIG_SET_STRING, "lowerdir+",
                     edge.c_str(), 0),
            0);
  EXPECT_EQ(fsconfig(context.get(), FSCONFIG_SET_STRING, "lowerdir+",
                     over.c_str(), 0),
            -1);
  EXPECT_EQ(errno, EINVAL);
  // Each ':' costs the upper layer a byte more than its path is long.
  const std::string colons = MakeLayer("u/" + std::string(200, ':'), 0777);
  WriteLayerFile(over + "/far", "reached");
  ASSERT_OK_AND_ASSIGN(const OverlayPlan plan,
                       PlanOverlay(LayerStack{.lower = {edge, over},
                                              .upper = colons,
                                              .work = MakeLayer("u/work")},
                                   ""));
  ASSERT_OK(mounter_.MountOverlay(plan, target()));
  EXPECT_EQ(Contents(InTarget("far")), "reached");
  EXPECT_EQ(WriteTo(InTarget("log"), "x"), 0);
  EXPECT_EQ(Contents(colons + "/log"), "x");
}

class LegacyTrap : public MountFixture {
 protected:
  // A plan whose option string has exactly `length` bytes.
  OverlayPlan PlanOfLength(size_t length) {
    LayerStack stack{.lower = {Disk("agent")}, .upper = "", .work = ""};
    // "…,lowerdir=<agent>:<long>…": the long ones fill up what is missing.
    size_t have = PlanOverlay({.lower = {stack.lower[0], stack.lower[0]},
                               .upper = "",
                               .work = ""},
                              "")
                      ->legacy_options.size() -
                  stack.lower[0].size() - 1;
    for (int i = 0; have < length; ++i) {
      const size_t left = length - have - 1;
      const size_t part = left > 3000 ? 1500 : left;
      stack.lower.push_back(LongLayer(MakeLayer(absl::StrCat("l", i)), part));
      have += 1 + part;
    }
    absl::StatusOr<OverlayPlan> plan = PlanOverlay(stack, "");
    EXPECT_OK(plan);
    EXPECT_EQ(plan->legacy_options.size(), length);
    return *plan;
  }
  KernelMounter mounter_{MountApi::kLegacy};
};

TEST_F(LegacyTrap, OptionsAbove4095BytesAreCutSoTheyAreRefusedByUs) {
  const OverlayPlan plan = PlanOfLength(4096);
  EXPECT_EQ(mount("overlay", target_path().c_str(), "overlay", 0,
                  plan.legacy_options.c_str()),
            -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_THAT(
      mounter_.MountOverlay(plan, target()),
      StatusIs(
          absl::StatusCode::kFailedPrecondition,
          HasSubstr("4096 bytes of overlay options, mount(2) takes 4095")));
  EXPECT_FALSE(IsMountRoot());
}

TEST_F(LegacyTrap, OptionsOf4095BytesAreTaken) {
  ASSERT_OK(mounter_.MountOverlay(PlanOfLength(4095), target()));
  EXPECT_EQ(Contents(InTarget("version")), "1.2.3");
}

TEST_F(LegacyTrap, NewApiTakesWhatMount2Cannot) {
  if (NotOnThisKernel(Capability::kLayerStrings)) return;
  const OverlayPlan plan = PlanOfLength(4096);
  for (const MountApi api : ApisOfThisKernel()) {
    if (api == MountApi::kLegacy) continue;
    SCOPED_TRACE(Name(api));
    KernelMounter newer(api);
    ASSERT_OK(newer.MountOverlay(plan, target()));
    EXPECT_EQ(Contents(InTarget("version")), "1.2.3");
    ASSERT_OK(newer.Unmount(target()));
  }
}

}  // namespace
}  // namespace oneagent
