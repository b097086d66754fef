// The one place where an errno becomes a Status, and the way a Status gets
// the name of the object it is about.
//
// Message grammar: lower case, object first, cause last, no full stop:
//   "rename /a -> /b: No space left on device".
#ifndef BASE_POSIX_STATUS_H_
#define BASE_POSIX_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace oneagent {

// Status of a failed system call on `object`. `error` is an errno value, not
// 0. Codes: ENOENT NotFound; EEXIST, ENOTEMPTY AlreadyExists; EACCES, EPERM
// PermissionDenied; ENOSPC, EDQUOT, EMFILE, ENFILE, ENOMEM ResourceExhausted;
// EBUSY, EAGAIN, EINTR Unavailable; ENOSYS, EOPNOTSUPP Unimplemented;
// everything else Internal. (EINVAL is Internal: kernel said no to us, not to
// a caller's request.) Thread-safe.
absl::Status PosixStatus(absl::string_view object, int error);

// `status` with "`object`: " before its message; OK stays OK. Code and
// payloads are kept.
absl::Status Annotate(const absl::Status& status, absl::string_view object);

// `status` with the same message under another code; OK stays OK.
absl::Status WithCode(const absl::Status& status, absl::StatusCode code);

// The errno behind a status, which it carries wherever it is annotated; 0:
// none.
int ErrnoOf(const absl::Status& status);
// For a library's own code that stands for `error`.
absl::Status WithErrno(absl::Status status, int error);
// `status` with the same code under another message; OK stays OK.
absl::Status WithMessage(const absl::Status& status, absl::string_view message);

}  // namespace oneagent

#endif  // BASE_POSIX_STATUS_H_
