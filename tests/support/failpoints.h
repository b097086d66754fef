// The failpoints that there are, by the sources: tests that die at each are
// made from this list, so that a new one is played without being written down.
#ifndef TESTS_SUPPORT_FAILPOINTS_H_
#define TESTS_SUPPORT_FAILPOINTS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace oneagent {

// "<sequence>:<step>" of the whole product, sorted.
const std::vector<std::string>& AllFailpoints();

// Those of one sequence. A sequence without any aborts the program.
std::vector<std::string> FailpointsOf(absl::string_view sequence);

}  // namespace oneagent

#endif  // TESTS_SUPPORT_FAILPOINTS_H_
