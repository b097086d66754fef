// A call whose client is gone before it has read an answer: the connection is
// closed in the middle. By hand, because gRPC's client keeps connections of
// calls that it broke off, and the mounter's descriptors would grow with them.
#ifndef TESTS_SOAK_HASTY_CALL_H_
#define TESTS_SOAK_HASTY_CALL_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace oneagent {

struct HastyCall {
  std::string socket_path;
  std::string path;     // of the method
  std::string message;  // serialized
  absl::Duration haste;
  bool says_haste = false;  // as the call's deadline
};

// Cancelled when it was sent; Unavailable when nobody took it.
absl::Status CallAndLeave(const HastyCall& call);

}  // namespace oneagent

#endif  // TESTS_SOAK_HASTY_CALL_H_
