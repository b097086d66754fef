// What a pod's processes can do in an overlay, and what overlayfs leaves
// behind in the work directory.
#include <errno.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/privilege.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/kernel/mount_fixture.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::HasSubstr;
using testing::Not;

class PodInOverlay : public EveryApi {
 protected:
  int AsPod(const std::function<int()>& body) {
    return RunAs(kPodUid, target_path(), body);
  }
};
INSTANTIATE_FOR_EVERY_API(PodInOverlay);

TEST_P(PodInOverlay, ReadsLayersBelowADirectoryThatItMayNotEnter) {
  struct stat info;
  ASSERT_EQ(stat(Disk("").c_str(), &info), 0);
  ASSERT_EQ(info.st_mode & 07777, 0700U);
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  EXPECT_EQ(AsPod([&] {
              if (Contents(Disk("agent/version")) == "1.2.3") return 1;
              return Contents("version") == "1.2.3" ? 0 : 2;
            }),
            0);
}

TEST_P(PodInOverlay, CopiesUpAFileOfAnotherUid) {
  WriteLayerFile(Disk("agent/shared"), "old", /*owner=*/1000, /*mode=*/0666);
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  EXPECT_EQ(AsPod([] { return WriteTo("shared", "new"); }), 0);
  EXPECT_EQ(Contents(Disk("upper/shared")), "new");
  EXPECT_EQ(Contents(Disk("agent/shared")), "old");
  struct stat info;
  ASSERT_EQ(stat(Disk("upper/shared").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 1000U);
}

TEST_P(PodInOverlay, MayCreateWhereTheUppersModeAllows) {
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  struct stat info;
  ASSERT_EQ(stat(target_path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0777U);
  EXPECT_EQ(AsPod([] { return WriteTo("mine", "x"); }), 0);
  EXPECT_EQ(Contents(Disk("upper/mine")), "x");
}

TEST_P(PodInOverlay, MayNotCreateBelowAnUpperOf0755) {
  ASSERT_EQ(chmod(Disk("upper").c_str(), 0755), 0);
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  EXPECT_EQ(AsPod([] { return WriteTo("mine", "x"); }), EACCES);
}

// The daemon drops everything else at start; overlayfs uses the credentials of
// whoever mounted it for every copy-up.
TEST_P(PodInOverlay, WorksWithTheCapabilitiesThatTheMounterKeeps) {
  WriteLayerFile(Disk("agent/shared"), "old", /*owner=*/1000, /*mode=*/0666);
  const auto as_mounter = [&](const std::function<absl::Status()>& act) {
    return RunInChild([&] {
      if (!DropPrivilegesExcept(
               {CAP_SYS_ADMIN, CAP_DAC_OVERRIDE, CAP_CHOWN, CAP_FOWNER})
               .ok()) {
        return 1;
      }
      const absl::Status status = act();
      if (!status.ok()) fprintf(stderr, "%s\n", status.ToString().c_str());
      return status.ok() ? 0 : 2;
    });
  };
  EXPECT_EQ(
      as_mounter([&] { return mounter_.MountOverlay(Writable(), target()); }),
      0);
  EXPECT_EQ(AsPod([] { return WriteTo("shared", "new"); }), 0);
  EXPECT_EQ(Contents(Disk("upper/shared")), "new");
  EXPECT_EQ(as_mounter([&] { return mounter_.Unmount(target()); }), 0);
  EXPECT_EQ(as_mounter([&] { return ClearVolatileMarker(Disk("work")); }), 0);
  EXPECT_EQ(as_mounter([&] {
              return mounter_.MountEmpty({.reason = "why"}, target());
            }),
            0);
  EXPECT_EQ(Contents(InTarget(kEmptyMarker)), "why\n");
  EXPECT_EQ(as_mounter([&] { return mounter_.Unmount(target()); }), 0);
  EXPECT_EQ(as_mounter([&] {
              return mounter_.BindStorage(Disk("config"), /*read_only=*/true,
                                          target());
            }),
            0);
  EXPECT_EQ(Contents(InTarget("conf")), "of the tenant");
}

class VolatileMarker : public EveryApi {};
INSTANTIATE_FOR_EVERY_API(VolatileMarker);

TEST_P(VolatileMarker, RefusesTheSecondMountUntilItIsCleared) {
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  EXPECT_EQ(WriteTo(InTarget("log"), "first"), 0);
  ASSERT_OK(mounter_.Unmount(target()));
  // It stays after a clean umount.
  EXPECT_EQ(access(Disk("work/work/incompat/volatile").c_str(), F_OK), 0);
  EXPECT_THAT(mounter_.MountOverlay(Writable(), target()), Not(IsOk()));
  EXPECT_FALSE(IsMountRoot());
  ASSERT_OK(ClearVolatileMarker(Disk("work")));
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  EXPECT_EQ(Contents(InTarget("log")), "first");
}

TEST_P(VolatileMarker, ClearingIsOkWithoutAMarkerAndTwice) {
  EXPECT_OK(ClearVolatileMarker(Disk("work")));
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  ASSERT_OK(mounter_.Unmount(target()));
  EXPECT_OK(ClearVolatileMarker(Disk("work")));
  EXPECT_OK(ClearVolatileMarker(Disk("work")));
}

TEST_P(VolatileMarker, ClearingFollowsNoLink) {
  const std::string victim = MakeLayer("victim/volatile");
  WriteLayerFile(victim + "/dirty", "x");
  ASSERT_EQ(mkdir(Disk("work/work").c_str(), 0), 0);
  ASSERT_EQ(symlink(Disk("victim").c_str(), Disk("work/work/incompat").c_str()),
            0);
  EXPECT_THAT(ClearVolatileMarker(Disk("work")),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("symbolic link")));
  EXPECT_EQ(Contents(victim + "/dirty"), "x");
  ASSERT_EQ(unlink(Disk("work/work/incompat").c_str()), 0);
  ASSERT_EQ(mkdir(Disk("work/work/incompat").c_str(), 0700), 0);
  ASSERT_EQ(
      symlink(victim.c_str(), Disk("work/work/incompat/volatile").c_str()), 0);
  EXPECT_OK(ClearVolatileMarker(Disk("work")));
  EXPECT_EQ(Contents(victim + "/dirty"), "x");
}

TEST_P(VolatileMarker, ClearingNamesAWorkDirectoryThatIsMissing) {
  EXPECT_THAT(ClearVolatileMarker(Disk("gone")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(Disk("gone"))));
}

}  // namespace
}  // namespace oneagent
