#include "tests/support/user_namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace oneagent {

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
  for (const char* const map : {"/uid_map", "/gid_map"}) {
    std::ofstream out(proc + map);
    out << absl::StrCat("0 ", kFirstMapped, " 65536") << std::flush;
    EXPECT_TRUE(out.good()) << map;
  }
  UniqueFd user_namespace(
      open((proc + "/ns/user").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_GE(user_namespace.get(), 0);
  EXPECT_EQ(kill(child, SIGKILL), 0);
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return user_namespace;
}

int IdMapMount(const UniqueFd& mount, const UniqueFd& user_namespace) {
  mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_IDMAP;
  attributes.userns_fd =
      static_cast<decltype(attributes.userns_fd)>(user_namespace.get());
  return mount_setattr(mount.get(), "", AT_EMPTY_PATH, &attributes,
                       sizeof(attributes)) == 0
             ? 0
             : errno;
}

}  // namespace oneagent
