// Whether an unpacked archive is an agent at all.
#ifndef CACHE_STORE_AGENT_CHECK_H_
#define CACHE_STORE_AGENT_CHECK_H_

#include <string>

#include "absl/status/status.h"
#include "cache/store/unpack.h"

namespace oneagent {

// OK when `tree`, unpacked at `root`, has the library that processes preload:
// agent/lib64/liboneagentproc.so, or one that its manifest.json names as
// primary. InvalidArgument naming what is missing; errors of reading.
absl::Status CheckIsAgent(const std::string& root, const UnpackedTree& tree);

}  // namespace oneagent

#endif  // CACHE_STORE_AGENT_CHECK_H_
