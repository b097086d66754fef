// The test agent as a tenant would serve it: a zip with the library, its
// configuration and some files of the size an agent has.
#ifndef TESTS_SUPPORT_AGENT_PACKAGE_H_
#define TESTS_SUPPORT_AGENT_PACKAGE_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace oneagent {

// The versions that the build makes.
inline constexpr char kFirstAgentVersion[] = "1.301.0.20260101-000001";
inline constexpr char kSecondAgentVersion[] = "1.302.0.20260201-000002";

// Writes <directory>/<version>.zip from the library that was built for that
// version below `agents_dir`; `filler_mib` of incompressible files besides.
// Aborts with a line naming the file when something cannot be read or written.
void WriteAgentPackage(const std::string& agents_dir, absl::string_view version,
                       const std::string& directory, int64_t filler_mib);

}  // namespace oneagent

#endif  // TESTS_SUPPORT_AGENT_PACKAGE_H_
