// What the edge cases of the list in edge_cases_test.cc are played with.
#ifndef TESTS_E2E_EDGE_CASE_FIXTURE_H_
#define TESTS_E2E_EDGE_CASE_FIXTURE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "tests/e2e/kubelet_fixture.h"
#include "tests/support/csi_client.h"

namespace oneagent {

class EdgeCaseTest : public KubeletTest {
 protected:
  // What kubelet would send for the pod, its directories made.
  CsiPublishCall CallOf(const PodVolume& volume) const;
  static std::vector<absl::Status> AtOnce(
      size_t count, const std::function<absl::Status()>& work);
  // Files below `directory` that hold `text`.
  static std::vector<std::string> FilesWith(const std::string& directory,
                                            const std::string& text);

  static void MountTmpfs(const std::string& path);
  // A FUSE file system without anybody who would answer: as long as the
  // descriptor is open it hangs who asks it, afterwards it is dead.
  static UniqueFd MountFuse(const std::string& path);

  // Bytes that the mounter has read from files so far.
  int64_t BytesRead();
  // … while these pods came and went.
  int64_t BytesReadFor(const std::vector<std::string>& pods);
};

}  // namespace oneagent

#endif  // TESTS_E2E_EDGE_CASE_FIXTURE_H_
