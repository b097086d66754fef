// MountEmpty and BindStorage, in each of the three ways.
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/failpoint.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/kernel/mount_fixture.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class EmptyVolumeMount : public EveryApi {};
INSTANTIATE_FOR_EVERY_API(EmptyVolumeMount);

TEST_P(EmptyVolumeMount, HoldsTheReason) {
  const mode_t old_umask = umask(077);
  ASSERT_OK(mounter_.MountEmpty({.reason = "no agent since 10m"}, target()));
  umask(old_umask);
  EXPECT_EQ(Contents(InTarget(kEmptyMarker)), "no agent since 10m\n");
  struct stat info;
  ASSERT_EQ(stat(InTarget(kEmptyMarker).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0444U);
  ASSERT_EQ(stat(target_path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0755U);
}

TEST_P(EmptyVolumeMount, IsOurOwnInTheMountTable) {
  ASSERT_OK(mounter_.MountEmpty({.reason = "why"}, target()));
  ASSERT_THAT(Mounts(), SizeIs(1));
  EXPECT_EQ(Mounts()[0].source, kMountSource);
  EXPECT_EQ(Mounts()[0].fs_type, "tmpfs");
  EXPECT_THAT(Mounts()[0].options,
              AllOf(HasSubstr("nosuid"), HasSubstr("nodev")));
  EXPECT_THAT(Mounts()[0].super_options,
              AllOf(HasSubstr("size=1024k"), HasSubstr("nr_inodes=256")));
}

TEST_P(EmptyVolumeMount, StaysReadOnlyWhenARuntimeBindsItWritable) {
  ASSERT_OK(
      mounter_.MountEmpty({.reason = "why", .read_only = true}, target()));
  EXPECT_EQ(WriteTo(InTarget("file"), "x"), EROFS);
  ASSERT_EQ(mount(nullptr, target_path().c_str(), nullptr, MS_REMOUNT | MS_BIND,
                  nullptr),
            0);
  EXPECT_EQ(WriteTo(InTarget("file"), "x"), EROFS);
  EXPECT_EQ(WriteTo(InTarget(kEmptyMarker), "x"), EROFS);
}

TEST_P(EmptyVolumeMount, KeepsTheBeginningOfALongReason) {
  const std::string reason(100000, 'r');
  ASSERT_OK(mounter_.MountEmpty({.reason = reason}, target()));
  EXPECT_EQ(Contents(InTarget(kEmptyMarker)), reason.substr(0, 4095) + "\n");
}

TEST_P(EmptyVolumeMount, RefusesATargetThatIsMountedAlready) {
  ASSERT_OK(mounter_.MountEmpty({.reason = "why"}, target()));
  EXPECT_THAT(mounter_.MountEmpty({.reason = "again"}, target()),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(Mounts(), SizeIs(1));
}

TEST_P(EmptyVolumeMount, DeathBeforeAttachLeavesNothingMounted) {
  const int code = RunInChild([&] {
    ArmFailpoint("overlay:built", [] { _exit(42); });
    (void)mounter_.MountEmpty({.reason = "why"}, target());
    return 0;
  });
  EXPECT_EQ(code, 42);
  EXPECT_THAT(Mounts(), IsEmpty());
}

TEST_P(EmptyVolumeMount, IsUnmountedLikeAnyOther) {
  ASSERT_OK(mounter_.MountEmpty({.reason = "why"}, target()));
  ASSERT_OK(mounter_.Unmount(target()));
  EXPECT_THAT(Mounts(), IsEmpty());
}

class StorageBind : public EveryApi {
 protected:
  void SetUp() override {
    EveryApi::SetUp();
    storage_ = MakeLayer("host/dynakube");
    WriteLayerFile(storage_ + "/state", "kept");
  }
  std::string storage_;
};
INSTANTIATE_FOR_EVERY_API(StorageBind);

TEST_P(StorageBind, WritesReachTheStorage) {
  ASSERT_OK(mounter_.BindStorage(storage_, /*read_only=*/false, target()));
  EXPECT_EQ(Contents(InTarget("state")), "kept");
  EXPECT_EQ(WriteTo(InTarget("new"), "x"), 0);
  EXPECT_EQ(Contents(storage_ + "/new"), "x");
  EXPECT_THAT(mounter_.IsMounted(target()), IsOkAndHolds(true));
}

TEST_P(StorageBind, IsNosuidAndNodev) {
  ASSERT_OK(mounter_.BindStorage(storage_, /*read_only=*/false, target()));
  ASSERT_THAT(Mounts(), SizeIs(1));
  EXPECT_THAT(Mounts()[0].options,
              AllOf(HasSubstr("rw"), HasSubstr("nosuid"), HasSubstr("nodev")));
}

TEST_P(StorageBind, ReadOnlyRefusesWritesButTheStorageTakesThem) {
  ASSERT_OK(mounter_.BindStorage(storage_, /*read_only=*/true, target()));
  EXPECT_EQ(WriteTo(InTarget("new"), "x"), EROFS);
  EXPECT_EQ(WriteTo(storage_ + "/new", ""), 0);
  EXPECT_EQ(Contents(InTarget("new")), "");
}

TEST_P(StorageBind, LeavesOutWhatIsMountedInsideTheStorage) {
  const std::string inner = MakeLayer("host/dynakube/inner");
  MountForeign(inner);
  EXPECT_EQ(WriteTo(inner + "/secret", "x"), 0);
  ASSERT_OK(mounter_.BindStorage(storage_, /*read_only=*/false, target()));
  EXPECT_EQ(Contents(InTarget("inner/secret")), "<No such file or directory>");
  EXPECT_EQ(UnmountRaw(inner), 0);
}

TEST_P(StorageBind, RefusesStorageThatIsMissingOrALink) {
  EXPECT_THAT(
      mounter_.BindStorage(Disk("host/gone"), /*read_only=*/false, target()),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr(Disk("host/gone"))));
  ASSERT_EQ(symlink("/etc", Disk("host/link").c_str()), 0);
  EXPECT_THAT(
      mounter_.BindStorage(Disk("host/link"), /*read_only=*/false, target()),
      StatusIs(absl::StatusCode::kInternal, HasSubstr(Disk("host/link"))));
  EXPECT_THAT(Mounts(), IsEmpty());
}

// Architecture: a bind cannot be told apart by its source.
TEST_P(StorageBind, ShowsTheDisksNameInsteadOfOurs) {
  ASSERT_OK(mounter_.BindStorage(storage_, /*read_only=*/false, target()));
  ASSERT_THAT(Mounts(), SizeIs(1));
  EXPECT_EQ(Mounts()[0].source, "disk");
  EXPECT_EQ(Mounts()[0].root, "/host/dynakube");
}

TEST_P(StorageBind, UnmountLeavesTheStorageAlone) {
  ASSERT_OK(mounter_.BindStorage(storage_, /*read_only=*/false, target()));
  ASSERT_OK(mounter_.Unmount(target()));
  EXPECT_EQ(Contents(storage_ + "/state"), "kept");
  EXPECT_EQ(Contents(InTarget("state")), "<No such file or directory>");
}

// mount(2) shows these two before they are complete.
class LegacyWindow : public MountFixture {
 protected:
  int DieWhenVisible(const std::function<absl::Status()>& mount_it) {
    return RunInChild([&] {
      ArmFailpoint("overlay:visible", [] { _exit(42); });
      (void)mount_it();
      return 0;
    });
  }
  KernelMounter mounter_{MountApi::kLegacy};
};

TEST_F(LegacyWindow, DeathInAnEmptyVolumeIsSeenAndUndone) {
  EXPECT_EQ(DieWhenVisible([&] {
              return mounter_.MountEmpty({.reason = "why"}, target());
            }),
            42);
  EXPECT_THAT(mounter_.IsMounted(target()), IsOkAndHolds(true));
  ASSERT_OK(mounter_.Unmount(target()));
  ASSERT_OK(mounter_.MountEmpty({.reason = "why"}, target()));
  EXPECT_EQ(Contents(InTarget(kEmptyMarker)), "why\n");
}

TEST_F(LegacyWindow, DeathInABindIsSeenAndUndone) {
  const std::string storage = MakeLayer("host/dynakube");
  EXPECT_EQ(DieWhenVisible([&] {
              return mounter_.BindStorage(storage, /*read_only=*/true,
                                          target());
            }),
            42);
  EXPECT_THAT(mounter_.IsMounted(target()), IsOkAndHolds(true));
  ASSERT_OK(mounter_.Unmount(target()));
  ASSERT_OK(mounter_.BindStorage(storage, /*read_only=*/true, target()));
  EXPECT_EQ(WriteTo(InTarget("new"), "x"), EROFS);
}

TEST_F(LegacyWindow, FailureOfTheSecondStepUnmountsTheFirst) {
  // A file of the marker's name is there before the marker.
  ArmFailpoint("overlay:visible", [&] {
    EXPECT_EQ(WriteTo(InTarget(kEmptyMarker), "squatter"), 0);
  });
  EXPECT_THAT(mounter_.MountEmpty({.reason = "why"}, target()), Not(IsOk()));
  DisarmFailpoints();
  EXPECT_THAT(Mounts(), IsEmpty());
}

}  // namespace
}  // namespace oneagent
