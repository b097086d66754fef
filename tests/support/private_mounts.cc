#include "tests/support/private_mounts.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>

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

}  // namespace oneagent
