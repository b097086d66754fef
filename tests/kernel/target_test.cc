// Targets that are mounted, or that somebody has tampered with.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "base/failpoint.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "overlay/target_resolver.h"
#include "tests/kernel/mount_fixture.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::HasSubstr;
using testing::Not;

bool IsMountPoint(const std::string& path) {
  struct statx info = {};
  EXPECT_EQ(statx(AT_FDCWD, path.c_str(), AT_NO_AUTOMOUNT, STATX_TYPE, &info),
            0);
  return (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

class HostileTarget : public EveryApi {
 protected:
  void SetUp() override {
    EveryApi::SetUp();
    victim_ = temp_.MakeDir("victim");
  }
  void ReplaceTargetByLink() {
    EXPECT_EQ(rmdir(target_path().c_str()), 0);
    EXPECT_EQ(symlink(victim_.c_str(), target_path().c_str()), 0);
  }
  // Every way to mount something there.
  std::vector<std::function<absl::Status()>> Verbs() {
    return {[this] { return mounter_.MountOverlay(ReadOnly(), target()); },
            [this] { return mounter_.MountEmpty({.reason = "why"}, target()); },
            [this] {
              return mounter_.BindStorage(Disk("agent"), /*read_only=*/false,
                                          target());
            }};
  }
  std::string victim_;
};
INSTANTIATE_FOR_EVERY_API(HostileTarget);

TEST_P(HostileTarget, ALinkInItsPlaceIsRefused) {
  ReplaceTargetByLink();
  for (const auto& verb : Verbs()) {
    EXPECT_THAT(verb(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                 HasSubstr("is a symbolic link")));
  }
  EXPECT_FALSE(IsMountPoint(victim_));
}

TEST_P(HostileTarget, ALinkPlantedJustBeforeTheAttachIsRefused) {
  for (const auto& verb : Verbs()) {
    ArmFailpoint("overlay:built", [this] { ReplaceTargetByLink(); });
    EXPECT_THAT(verb(), Not(IsOk()));
    DisarmFailpoints();
    EXPECT_FALSE(IsMountPoint(victim_));
    ASSERT_EQ(unlink(target_path().c_str()), 0);
    ASSERT_EQ(mkdir(target_path().c_str(), 0755), 0);
  }
}

TEST_P(HostileTarget, AFileInItsPlaceIsRefused) {
  ASSERT_EQ(rmdir(target_path().c_str()), 0);
  ASSERT_EQ(WriteTo(target_path(), "x"), 0);
  for (const auto& verb : Verbs()) {
    EXPECT_THAT(verb(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                 HasSubstr("is not a directory")));
  }
}

TEST_P(HostileTarget, AMissingOneIsNotFound) {
  ASSERT_EQ(rmdir(target_path().c_str()), 0);
  for (const auto& verb : Verbs()) {
    EXPECT_THAT(verb(), StatusIs(absl::StatusCode::kNotFound,
                                 HasSubstr(target_path())));
  }
}

TEST_P(HostileTarget, ALinkInAParentIsRefused) {
  // A pod with a hostPath replaces its own volume directory.
  const std::string csi = target_path().substr(0, target_path().rfind('/'));
  const std::string evil = temp_.MakeDir("evil");
  ASSERT_EQ(mkdir((evil + "/mount").c_str(), 0755), 0);
  ASSERT_EQ(rename(csi.c_str(), (csi + ".moved").c_str()), 0);
  ASSERT_EQ(symlink(evil.c_str(), csi.c_str()), 0);
  ASSERT_OK_AND_ASSIGN(
      const auto resolver,
      TargetResolver::Open(temp_.Path("kubelet"), TargetCheck::kKubelet));
  EXPECT_THAT(resolver->Resolve(target_path()),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("symbolic link")));
  EXPECT_FALSE(IsMountPoint(evil + "/mount"));
}

class MountedTarget : public EveryApi {};
INSTANTIATE_FOR_EVERY_API(MountedTarget);

TEST_P(MountedTarget, IsKeptByMakeTarget) {
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  EXPECT_OK(MakeTarget(target()));
  EXPECT_TRUE(IsMountRoot());
}

TEST_P(MountedTarget, IsNotRemoved) {
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  EXPECT_THAT(RemoveTarget(target()), StatusIs(absl::StatusCode::kUnavailable,
                                               HasSubstr("still mounted")));
  EXPECT_EQ(Contents(InTarget("version")), "1.2.3");
  ASSERT_OK(mounter_.Unmount(target()));
  EXPECT_OK(RemoveTarget(target()));
  EXPECT_EQ(access(target_path().c_str(), F_OK), -1);
}

TEST_P(MountedTarget, MayHaveLostItsServer) {
  // FUSE whose daemon is gone answers so; nobody but a mount does. ECONNREFUSED
  // is the word of newer kernels when it had not said hello.
  const int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  ASSERT_GE(fuse, 0);
  const std::string options =
      "fd=" + std::to_string(fuse) + ",rootmode=40000,user_id=0,group_id=0";
  ASSERT_EQ(mount("dead", target_path().c_str(), "fuse", 0, options.c_str()),
            0);
  close(fuse);
  EXPECT_THAT(Contents(InTarget("x")),
              testing::AnyOf("<Transport endpoint is not connected>",
                             "<Connection refused>"));
  EXPECT_THAT(mounter_.IsMounted(target()), IsOkAndHolds(true));
  EXPECT_OK(MakeTarget(target()));
  EXPECT_THAT(mounter_.MountOverlay(ReadOnly(), target()),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_OK(mounter_.Unmount(target()));
  EXPECT_FALSE(IsMountRoot());
}

}  // namespace
}  // namespace oneagent
