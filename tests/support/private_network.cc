#include "tests/support/private_network.h"

#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

#include "base/unique_fd.h"

namespace oneagent {

void EnterPrivateNetwork() {
  static bool entered = false;
  if (entered) return;
  ifreq loopback = {};
  std::strncpy(loopback.ifr_name, "lo", IFNAMSIZ - 1);
  loopback.ifr_flags = IFF_UP;
  if (unshare(CLONE_NEWNET) != 0) {
    perror("private network namespace (tests need root)");
    abort();
  }
  const UniqueFd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (ioctl(any.get(), SIOCSIFFLAGS, &loopback) != 0) {
    perror("loopback of a private network");
    abort();
  }
  entered = true;
}

}  // namespace oneagent
