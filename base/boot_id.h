// The kernel's boot id: tells "before the reboot" from "after it".
#ifndef BASE_BOOT_ID_H_
#define BASE_BOOT_ID_H_

#include <string>

#include "absl/status/statusor.h"

namespace oneagent {

// /proc/sys/kernel/random/boot_id without its newline. PosixStatus when it
// cannot be read.
absl::StatusOr<std::string> ReadBootId();

}  // namespace oneagent

#endif  // BASE_BOOT_ID_H_
