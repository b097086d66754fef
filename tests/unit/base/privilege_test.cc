#include "base/privilege.h"

#include <linux/capability.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

std::map<std::string, std::string> OwnStatus() {
  std::map<std::string, std::string> status;
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    const size_t colon = line.find(":\t");
    if (colon != std::string::npos) {
      status[line.substr(0, colon)] = line.substr(colon + 2);
    }
  }
  return status;
}

// Drops in a child, for capabilities never come back; true when the child saw
// exactly `want` (hex as in /proc/<pid>/status) in every set.
bool DropsTo(const std::vector<int>& capabilities, const std::string& want) {
  const pid_t child = fork();
  if (child == 0) {
    if (!DropPrivilegesExcept(capabilities).ok()) _exit(1);
    const auto status = OwnStatus();
    const bool same = status.at("CapPrm") == want &&
                      status.at("CapEff") == want &&
                      status.at("CapBnd") == want &&
                      status.at("CapInh") == std::string(16, '0') &&
                      status.at("NoNewPrivs") == "1";
    _exit(same ? 0 : 2);
  }
  int result = 0;
  waitpid(child, &result, 0);
  return WIFEXITED(result) && WEXITSTATUS(result) == 0;
}

TEST(PrivilegeTest, DropsEverything) {
  EXPECT_TRUE(DropsTo({}, "0000000000000000"));
}

TEST(PrivilegeTest, KeepsExactlyWhatIsAskedFor) {
  EXPECT_TRUE(DropsTo({CAP_SYS_ADMIN, CAP_DAC_OVERRIDE, CAP_CHOWN, CAP_FOWNER},
                      "000000000020000b"));
}

TEST(PrivilegeTest, NamesWhatIsNotHeld) {
  const pid_t child = fork();
  if (child == 0) {
    if (!DropPrivilegesExcept({}).ok()) _exit(1);
    const absl::Status status = DropPrivilegesExcept({CAP_SYS_ADMIN});
    _exit(status.code() == absl::StatusCode::kFailedPrecondition &&
                  status.message() == "capabilities not held: sys_admin"
              ? 0
              : 2);
  }
  int result = 0;
  waitpid(child, &result, 0);
  EXPECT_EQ(WEXITSTATUS(result), 0);
}

}  // namespace
}  // namespace oneagent
