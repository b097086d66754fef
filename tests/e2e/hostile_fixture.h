// The shipped mounter under attack: what the others see meanwhile, and what is
// left of it afterwards.
#ifndef TESTS_E2E_HOSTILE_FIXTURE_H_
#define TESTS_E2E_HOSTILE_FIXTURE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/e2e/node.h"
#include "tests/support/csi_client.h"
#include "tests/support/process_figures.h"

namespace oneagent {

// A pod that comes and goes and a probe, over and over, each call on a
// connection of its own as kubelet's are.
class Bystander {
 public:
  explicit Bystander(Node& node);
  // Every call must have been answered, each within `kMostWait`.
  ~Bystander();
  Bystander(const Bystander&) = delete;
  Bystander& operator=(const Bystander&) = delete;

  static constexpr absl::Duration kMostWait = absl::Seconds(10);
  void AwaitRounds(int more) const;

 private:
  void Run();
  void Timed(const char* what, const std::function<absl::Status()>& call);

  Node& node_;
  TestCsiClient client_;
  std::atomic<bool> stopped_ = false;
  std::atomic<int> rounds_ = 0;
  absl::Duration worst_;
  std::string failure_;
  std::thread thread_;
};

class HostileTest : public testing::Test {
 protected:
  // How much more memory the mounter may have after an attack than before:
  // what malloc keeps of it for the next one.
  static constexpr int64_t kMostGrowthKib = 128 << 10;

  void SetUp() override;

  // `attack`, among bystanders. Afterwards the mounter is the same process,
  // with the descriptors that it had before, little more memory, and a log of
  // its own lines.
  void Endure(const std::function<void()>& attack);

  // Neither a library's lines nor anything that a terminal obeys.
  void ExpectOnlyItsOwnLog();

  CsiPublishCall CallFor(const std::string& pod) const;
  // Of the pods "p0", "p1", …, for which kubelet has made its directories.
  std::vector<CsiPublishCall> CallsFor(int pods) const;

  Node node_;
};

}  // namespace oneagent

#endif  // TESTS_E2E_HOSTILE_FIXTURE_H_
