// Unmount and IsMounted.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "overlay/target_resolver.h"
#include "tests/kernel/mount_fixture.h"
#include "tests/support/forked_peer.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class Unmount : public EveryApi {};
INSTANTIATE_FOR_EVERY_API(Unmount);

TEST_P(Unmount, OfATargetThatIsNotMountedOrMissingIsOk) {
  EXPECT_OK(mounter_.Unmount(target()));
  MountTarget missing = target();
  missing.name = "missing";
  EXPECT_OK(mounter_.Unmount(missing));
  EXPECT_THAT(mounter_.IsMounted(missing), IsOkAndHolds(false));
}

TEST_P(Unmount, TwiceIsOk) {
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  ASSERT_OK(mounter_.Unmount(target()));
  EXPECT_THAT(mounter_.IsMounted(target()), IsOkAndHolds(false));
  EXPECT_OK(mounter_.Unmount(target()));
}

TEST_P(Unmount, WhileSomethingIsMountedBelowNamesIt) {
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  for (const char* const name : {"one", "two"}) {
    ASSERT_EQ(mkdir(InTarget(name).c_str(), 0755), 0);
    MountForeign(InTarget(name));
  }
  const absl::Status both = mounter_.Unmount(target());
  ASSERT_EQ(UnmountRaw(InTarget("two")), 0);
  const absl::Status one = mounter_.Unmount(target());
  ASSERT_EQ(UnmountRaw(InTarget("one")), 0);
  const std::string message = absl::StrCat(
      "unmount ", target_path(),
      ": Device or resource busy, something is mounted at ", InTarget("one"));
  EXPECT_THAT(both, StatusIs(absl::StatusCode::kUnavailable,
                             message + " and 1 more places"));
  EXPECT_THAT(one, StatusIs(absl::StatusCode::kUnavailable, message));
  EXPECT_OK(mounter_.Unmount(target()));
}

TEST_P(Unmount, WhileAFileIsOpenIsUnavailableAndChangesNothing) {
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  UniqueFd open_file(open(InTarget("version").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(open_file.ok());
  EXPECT_THAT(mounter_.Unmount(target()),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("unmount " + target_path() +
                                 ": Device or resource busy")));
  EXPECT_THAT(mounter_.IsMounted(target()), IsOkAndHolds(true));
  EXPECT_EQ(Contents(InTarget("version")), "1.2.3");
  open_file.Reset();
  EXPECT_OK(mounter_.Unmount(target()));
  EXPECT_FALSE(IsMountRoot());
}

TEST_P(Unmount, TriesAgainWhenAFileIsClosedMeanwhile) {
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  UniqueFd open_file(open(InTarget("version").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(open_file.ok());
  int busy = 0;
  ArmFailpoint("unmount:busy", [&] {
    if (++busy == 2) open_file.Reset();
  });
  EXPECT_OK(mounter_.Unmount(target()));
  DisarmFailpoints();
  EXPECT_EQ(busy, 2);
  EXPECT_THAT(Mounts(), IsEmpty());
}

TEST_P(Unmount, RemovesEveryMountThatIsStackedThere) {
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  for (int i = 0; i < 5; ++i) MountForeign(target_path());
  ASSERT_THAT(Mounts(), SizeIs(6));
  EXPECT_OK(mounter_.Unmount(target()));
  EXPECT_THAT(Mounts(), IsEmpty());
}

TEST_P(Unmount, OfAStackThatIsBusyBelowLeavesTheBusyMount) {
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  const UniqueFd open_file(
      open(InTarget("version").c_str(), O_RDONLY | O_CLOEXEC));
  MountForeign(target_path());
  EXPECT_THAT(mounter_.Unmount(target()),
              StatusIs(absl::StatusCode::kUnavailable));
  ASSERT_THAT(Mounts(), SizeIs(1));
  EXPECT_EQ(Mounts()[0].fs_type, "overlay");
  EXPECT_EQ(Contents(InTarget("version")), "1.2.3");
}

TEST_P(Unmount, DeathHalfWayThroughAStackIsFinishedByTheNextCall) {
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  MountForeign(target_path());
  const int code = RunInChild([&] {
    ArmFailpoint("unmount:peeled", [] { _exit(42); });
    (void)mounter_.Unmount(target());
    return 0;
  });
  EXPECT_EQ(code, 42);
  EXPECT_THAT(Mounts(), SizeIs(1));
  EXPECT_OK(mounter_.Unmount(target()));
  EXPECT_THAT(Mounts(), IsEmpty());
}

TEST_P(Unmount, RefusesANameThatIsNotOneComponent) {
  for (const char* name : {"", ".", "..", "a/b", "../mount", "mount/"}) {
    MountTarget odd = target();
    odd.name = name;
    EXPECT_THAT(mounter_.Unmount(odd),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << name;
    EXPECT_THAT(mounter_.MountOverlay(ReadOnly(), odd),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << name;
  }
}

TEST_P(Unmount, NeverFollowsALinkToSomebodyElsesMount) {
  const std::string foreign = temp_.MakeDir("foreign");
  MountForeign(foreign);
  ASSERT_EQ(rmdir(target_path().c_str()), 0);
  ASSERT_EQ(symlink(foreign.c_str(), target_path().c_str()), 0);
  EXPECT_THAT(mounter_.IsMounted(target()), IsOkAndHolds(false));
  EXPECT_OK(mounter_.Unmount(target()));
  EXPECT_EQ(UnmountRaw(foreign), 0);  // it was still there
}

// A container has the volume in a mount namespace of its own, bound to a path
// of its own.
TEST_P(Unmount, LetsAPrivateCopyOfTheNamespaceReadOn) {
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  const std::string inside = temp_.MakeDir("container");
  ForkedPeer container([&](Turns& test) {
    if (unshare(CLONE_NEWNS) != 0 ||
        mount(target_path().c_str(), inside.c_str(), nullptr, MS_BIND,
              nullptr) != 0) {
      return 1;
    }
    if (!test.Say() || !test.Hear()) return 2;
    if (Contents(inside + "/version") != "1.2.3") return 3;
    return WriteTo(inside + "/log", "still here") == 0 ? 0 : 4;
  });
  EXPECT_TRUE(container.Hear());
  EXPECT_OK(mounter_.Unmount(target()));
  EXPECT_OK(RemoveTarget(target()));
  EXPECT_TRUE(container.Say());
  EXPECT_EQ(container.Wait(), 0);
  EXPECT_EQ(Contents(Disk("upper/log")), "still here");
}

TEST_P(Unmount, IsSafeForDifferentTargetsInParallel) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 8;
  std::vector<absl::Status> first_errors(kThreads);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    const std::string name = absl::StrCat("mount-", i);
    ASSERT_EQ(mkdirat(pod_fd(), name.c_str(), 0755), 0);
    threads.emplace_back([this, name,
                          &error = first_errors[static_cast<size_t>(i)]] {
      const MountTarget mine{.parent_fd = pod_fd(), .name = name, .path = name};
      for (int round = 0; round < kRounds; ++round) {
        error.Update(mounter_.MountOverlay(ReadOnly(), mine));
        error.Update(mounter_.Unmount(mine));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& error : first_errors) EXPECT_OK(error);
}

}  // namespace
}  // namespace oneagent
