// What a daemon gives up at start. Privileged containers ignore the pod's
// capability and seccomp settings, so the process itself drops to what it
// needs (libcap-ng).
#ifndef BASE_PRIVILEGE_H_
#define BASE_PRIVILEGE_H_

#include <vector>

#include "absl/status/status.h"

namespace oneagent {

// Sets no_new_privs and reduces the permitted, effective, inheritable and
// bounding sets of the whole process to `capabilities` (CAP_* numbers). Call
// before any thread is started. A bounding set that may not be reduced (no
// CAP_SETPCAP) is left as it is. Errors: FailedPrecondition naming the
// capabilities that are wanted but not held; PosixStatus of the system call.
absl::Status DropPrivilegesExcept(const std::vector<int>& capabilities);

}  // namespace oneagent

#endif  // BASE_PRIVILEGE_H_
