// Pods in a user namespace of their own (`hostUsers: false`): the runtime
// clones each volume's mount and id-maps the clone (Linux 5.12). What the
// kernel says to that, for each kind of volume.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "gtest/gtest.h"
#include "tests/kernel/mount_fixture.h"
#include "tests/support/kernel_capability.h"
#include "tests/support/status_matchers.h"
#include "tests/support/user_namespace.h"

namespace oneagent {
namespace {

class IdMap : public EveryApi {
 protected:
  // As the runtime does it: a detached clone of what is mounted on the target.
  UniqueFd CloneTarget() const {
    return UniqueFd(open_tree(AT_FDCWD, target_path().c_str(),
                              OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  }
  static uid_t OwnerOf(const UniqueFd& mount) {
    struct stat info = {};
    EXPECT_EQ(fstatat(mount.get(), "", &info, AT_EMPTY_PATH), 0);
    return info.st_uid;
  }

  const UniqueFd user_namespace_ = NewUserNamespace();
};
INSTANTIATE_FOR_EVERY_API(IdMap);

// Where it is refused these pods cannot use a volume that is an overlay, with
// any driver.
TEST_P(IdMap, AnOverlayIsIdMappedOrRefusedAsAWhole) {
  if (NotOnThisKernel(Capability::kIdMappedMounts)) return;
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  const UniqueFd clone = CloneTarget();
  ASSERT_GE(clone.get(), 0);
  const bool can = KernelHas(Capability::kIdMappedOverlays);
  EXPECT_EQ(IdMapMount(clone, user_namespace_), can ? 0 : EINVAL);
  EXPECT_EQ(OwnerOf(clone), can ? kFirstMapped : 0U);
}

TEST_P(IdMap, AnIdMappedOverlayIsReadAndWrittenByThesePods) {
  if (NotOnThisKernel(Capability::kIdMappedOverlays)) return;
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  const UniqueFd clone = CloneTarget();
  ASSERT_EQ(IdMapMount(clone, user_namespace_), 0);
  EXPECT_EQ(RunInChild([&] {
              if (fchdir(clone.get()) != 0) return 1;
              if (setns(user_namespace_.get(), CLONE_NEWUSER) != 0 ||
                  setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0) {
                return 2;
              }
              if (Contents("version") != "1.2.3") return 3;
              return WriteTo("version", "mine") == 0 &&
                             WriteTo("log", "line") == 0
                         ? 0
                         : 4;
            }),
            0);
  EXPECT_EQ(Contents(Disk("upper/version")), "mine");
  EXPECT_EQ(Contents(Disk("agent/version")), "1.2.3");
  struct stat info = {};
  ASSERT_EQ(stat(Disk("upper/log").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 0U);
}

TEST_P(IdMap, ATmpfsCanSoAnEmptyVolumeStartsThesePodsToo) {
  if (NotOnThisKernel(Capability::kIdMappedTmpfs)) return;
  ASSERT_OK(mounter_.MountEmpty({.reason = "why"}, target()));
  const UniqueFd clone = CloneTarget();
  ASSERT_GE(clone.get(), 0);
  EXPECT_EQ(OwnerOf(clone), 0U);
  EXPECT_EQ(IdMapMount(clone, user_namespace_), 0);
  EXPECT_EQ(OwnerOf(clone), kFirstMapped);
}

}  // namespace
}  // namespace oneagent
