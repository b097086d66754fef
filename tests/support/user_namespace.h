// User namespaces and id-mapped mounts, as a container runtime makes them for
// pods with `hostUsers: false`.
#ifndef TESTS_SUPPORT_USER_NAMESPACE_H_
#define TESTS_SUPPORT_USER_NAMESPACE_H_

#include <sys/types.h>

#include "base/unique_fd.h"

namespace oneagent {

inline constexpr uid_t kFirstMapped = 100'000;

// A user namespace whose ids begin at kFirstMapped. It needs no process once
// it is open.
UniqueFd NewUserNamespace();

// Id-maps a detached mount; 0 or the errno.
int IdMapMount(const UniqueFd& mount, const UniqueFd& user_namespace);

}  // namespace oneagent

#endif  // TESTS_SUPPORT_USER_NAMESPACE_H_
