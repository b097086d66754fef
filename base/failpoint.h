// Named places in the code at which a test may act: die, wait, or look.
//
//   Failpoint("publish:5");        // in the product, at a crash window
//   ArmFailpoint("publish:5", [] { _exit(42); });   // in a test
//
// Nothing but a test arms a failpoint: there is no flag and no environment
// variable for it. Unarmed, a failpoint is one relaxed load. Names are
// "<sequence>:<step>", the step being the number in the list at the top of the
// file. Thread-safe; the action runs on the thread that reached the point.
#ifndef BASE_FAILPOINT_H_
#define BASE_FAILPOINT_H_

#include <atomic>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"

namespace oneagent {

namespace failpoint_internal {
extern std::atomic<bool> any_armed;
void Reached(absl::string_view name);
}  // namespace failpoint_internal

inline void Failpoint(absl::string_view name) {
  if (failpoint_internal::any_armed.load(std::memory_order_relaxed)) {
    failpoint_internal::Reached(name);
  }
}

// Tests only. Replaces an action armed before under that name.
void ArmFailpoint(const std::string& name, std::function<void()> action);
void DisarmFailpoints();

}  // namespace oneagent

#endif  // BASE_FAILPOINT_H_
