#include "tests/support/private_mounts.h"

#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include <string>

namespace oneagent {

void EnterPrivateMountNamespace() {
  static bool entered = false;
  if (entered) return;
  if (unshare(CLONE_NEWNS) != 0 ||
      mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    perror("private mount namespace (tests need root)");
    abort();
  }
  entered = true;
}

OverlayDisk::OverlayDisk(const std::string& dir) {
  struct statfs info;
  if (statfs(dir.c_str(), &info) != 0) abort();
  if (info.f_type != OVERLAYFS_SUPER_MAGIC) return;
  if (mount("none", dir.c_str(), "tmpfs", 0, "mode=700") != 0) {
    perror("tmpfs for a test's disk");
    abort();
  }
  mounted_ = dir;
}

OverlayDisk::~OverlayDisk() {
  if (!mounted_.empty()) umount2(mounted_.c_str(), MNT_DETACH);
}

}  // namespace oneagent
