// An agent whose every file says which version it is of, so that whoever reads
// any of them knows.
#ifndef TESTS_SOAK_SAMPLE_AGENT_H_
#define TESTS_SOAK_SAMPLE_AGENT_H_

#include <string>

#include "absl/strings/string_view.h"

namespace oneagent {

inline constexpr char kVersionFile[] = "agent/installer.version";

// As a tenant would serve it: some 300 KiB in 50 samples and a library.
std::string SampleAgentZip(absl::string_view version);

// The path of sample 0 … 49 in the agent, and what it holds.
std::string SamplePath(int sample);
std::string SampleContent(absl::string_view version, int sample);

}  // namespace oneagent

#endif  // TESTS_SOAK_SAMPLE_AGENT_H_
