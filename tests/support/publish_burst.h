// A node's pods starting all at once, and how long a probe waits meanwhile.
#ifndef TESTS_SUPPORT_PUBLISH_BURST_H_
#define TESTS_SUPPORT_PUBLISH_BURST_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/support/csi_client.h"

namespace oneagent {

struct BurstResult {
  std::vector<absl::Duration> probes;        // sorted
  std::vector<absl::Duration> capabilities;  // NodeGetCapabilities, sorted
  std::vector<std::string> failures;         // what was not answered with OK
};

// Sends every call on a connection of its own before the first is answered,
// as kubelet does, then probes, each time on a new connection, until the last
// is answered. By hand and on one thread, so that what is measured is the
// server and not a client with hundreds of threads.
BurstResult ProbeWhilePublishing(const std::string& socket_path,
                                 const std::vector<CsiPublishCall>& calls);

}  // namespace oneagent

#endif  // TESTS_SUPPORT_PUBLISH_BURST_H_
