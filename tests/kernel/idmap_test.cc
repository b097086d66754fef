// Pods in a user namespace of their own (`hostUsers: false`): the runtime
// clones each volume's mount and id-maps the clone (Linux 5.12). What the
// kernel says to that, for each kind of volume.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/kernel/mount_fixture.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

constexpr uid_t kFirstMapped = 100'000;

// A user namespace whose ids begin at kFirstMapped. It needs no process once
// it is open.
UniqueFd NewUserNamespace() {
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWUSER) != 0) _exit(errno);
    raise(SIGSTOP);
    _exit(0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, WUNTRACED), child);
  EXPECT_TRUE(WIFSTOPPED(status)) << "unshare: " << WEXITSTATUS(status);
  const std::string proc = absl::StrCat("/proc/", child);
  const std::string map = absl::StrCat("0 ", kFirstMapped, " 65536");
  EXPECT_EQ(WriteTo(proc + "/uid_map", map), 0);
  EXPECT_EQ(WriteTo(proc + "/gid_map", map), 0);
  UniqueFd user_namespace(
      open((proc + "/ns/user").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_GE(user_namespace.get(), 0);
  EXPECT_EQ(kill(child, SIGKILL), 0);
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return user_namespace;
}

class IdMap : public EveryApi {
 protected:
  // As the runtime does it: a detached clone of what is mounted on the target.
  UniqueFd CloneTarget() const {
    return UniqueFd(open_tree(AT_FDCWD, target_path().c_str(),
                              OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  }
  // 0 or the errno.
  int IdMapMount(const UniqueFd& mount) const {
    mount_attr attributes = {};
    attributes.attr_set = MOUNT_ATTR_IDMAP;
    attributes.userns_fd =
        static_cast<decltype(attributes.userns_fd)>(user_namespace_.get());
    return mount_setattr(mount.get(), "", AT_EMPTY_PATH, &attributes,
                         sizeof(attributes)) == 0
               ? 0
               : errno;
  }
  static uid_t OwnerOf(const UniqueFd& mount) {
    struct stat info = {};
    EXPECT_EQ(fstatat(mount.get(), "", &info, AT_EMPTY_PATH), 0);
    return info.st_uid;
  }

  const UniqueFd user_namespace_ = NewUserNamespace();
};
INSTANTIATE_FOR_EVERY_API(IdMap);

// So these pods cannot use a volume that is an overlay, with any driver.
TEST_P(IdMap, AnOverlayCannotBeIdMapped) {
  ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
  const UniqueFd clone = CloneTarget();
  ASSERT_GE(clone.get(), 0);
  EXPECT_EQ(IdMapMount(clone), EINVAL);
  EXPECT_EQ(OwnerOf(clone), 0U);
}

TEST_P(IdMap, ATmpfsCanSoAnEmptyVolumeStartsThesePodsToo) {
  ASSERT_OK(mounter_.MountEmpty("why", target()));
  const UniqueFd clone = CloneTarget();
  ASSERT_GE(clone.get(), 0);
  EXPECT_EQ(OwnerOf(clone), 0U);
  EXPECT_EQ(IdMapMount(clone), 0);
  EXPECT_EQ(OwnerOf(clone), kFirstMapped);
}

}  // namespace
}  // namespace oneagent
