// Runs csi-sanity, the conformance tool of kubernetes-csi, as it is, and reads
// what it reports.
#ifndef TESTS_SANITY_CSI_SANITY_H_
#define TESTS_SANITY_CSI_SANITY_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace oneagent {

struct SanityRun {
  std::string node_socket;
  std::string controller_socket = {};  // empty: none
  // The tool makes and removes both: the target's parent, and the staging path
  // (our volumes are not staged).
  std::string mount_dir = {};
  std::string staging_dir = {};
  std::string skip = {};  // regular expression of specs
  // Where the JUnit report goes; its directory exists.
  std::string report_path = {};
};

// Specs by name, such as "Node Service NodeGetInfo should return …".
struct SanityReport {
  int exit_code = -1;
  std::vector<std::string> passed;
  std::vector<std::string> failed;  // executed, but not passed
  std::vector<std::string> skipped;
  std::string output;
};

// Waits for the tool's end; it ends itself after a minute. NotFound when
// `program` is not there; DataLoss when it left no report that can be read.
absl::StatusOr<SanityReport> RunCsiSanity(const std::string& program,
                                          const SanityRun& run);

// The specs of a JUnit report as Ginkgo writes it; nothing else is filled in.
// InvalidArgument when it is none.
absl::StatusOr<SanityReport> ParseSanityReport(absl::string_view junit);

}  // namespace oneagent

#endif  // TESTS_SANITY_CSI_SANITY_H_
