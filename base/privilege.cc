#include "base/privilege.h"

#include <cap-ng.h>
#include <sys/prctl.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/posix_status.h"

namespace oneagent {

absl::Status DropPrivilegesExcept(const std::vector<int>& capabilities) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return PosixStatus("set no_new_privs", errno);
  }
  if (capng_get_caps_process() != 0) {
    return absl::InternalError("read capabilities: libcap-ng failed");
  }
  std::string missing;
  for (const int capability : capabilities) {
    if (capng_have_capability(CAPNG_PERMITTED,
                              static_cast<unsigned>(capability)) == 0) {
      absl::StrAppend(
          &missing, missing.empty() ? "" : ", ",
          capng_capability_to_name(static_cast<unsigned>(capability)));
    }
  }
  if (!missing.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("capabilities not held: ", missing));
  }
  const bool may_bound =
      capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) != 0;
  capng_clear(may_bound ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS);
  for (const int capability : capabilities) {
    capng_update(CAPNG_ADD,
                 static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED |
                                           CAPNG_BOUNDING_SET),
                 static_cast<unsigned>(capability));
  }
  if (capng_apply(may_bound ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) != 0) {
    return PosixStatus("drop capabilities", errno);
  }
  return absl::OkStatus();
}

}  // namespace oneagent
