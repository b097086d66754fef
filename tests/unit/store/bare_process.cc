#include "tests/unit/store/bare_process.h"

#include <sys/mount.h>

#include "base/privilege.h"
#include "tests/support/private_mounts.h"
#include "tests/support/status_matchers.h"

namespace oneagent {

testing::Environment* BareProcess::Install() {
  // Several files of one binary ask for it.
  static testing::Environment* const kInstalled =
      testing::AddGlobalTestEnvironment(new BareProcess);
  return kInstalled;
}

void BareProcess::SetUp() {
  EnterPrivateMountNamespace();
  ASSERT_EQ(mount("tiny", kTinyDisk, "tmpfs", 0, "size=256k,mode=0755"), 0);
  ASSERT_OK(DropPrivilegesExcept({}));
}

}  // namespace oneagent
