// What the bench measures on: a private mount namespace in which the data and
// kubelet directories are mounts of their own, as in the mounter's pod, one
// cached agent, and the shipped mounter.
#ifndef TESTS_BENCH_BENCH_NODE_H_
#define TESTS_BENCH_BENCH_NODE_H_

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "cache/index/layout.h"
#include "tests/support/csi_client.h"
#include "tests/support/daemon.h"
#include "tests/support/private_mounts.h"
#include "tests/support/temp_dir.h"

namespace oneagent {

class BenchNode {
 public:
  // Aborts with a line when something cannot be set up.
  explicit BenchNode(const std::string& mounter_program);
  ~BenchNode();

  std::string socket() const { return dir_.Path("csi.sock"); }
  TestCsiClient& client() { return *client_; }
  const Layout& layout() const { return layout_; }
  const std::string& kubelet_dir() const { return kubelet_dir_; }
  const std::string& agent_id() const { return agent_id_; }
  const std::string& config_id() const { return config_id_; }

  // Kills the mounter and starts another over what is mounted; the time from
  // exec to its first answer.
  absl::Duration RestartMounter();

  // CPU that the mounter has used so far.
  absl::Duration MounterCpu() const;

  CsiPublishCall CallFor(const std::string& pod) const;

 private:
  void StartMounter();

  const std::string mounter_program_;
  TempDir dir_;
  const OverlayDisk disk_;
  const std::string data_dir_;
  const Layout layout_;
  const std::string kubelet_dir_;
  std::string agent_id_;
  std::string config_id_;
  std::unique_ptr<Daemon> mounter_;
  std::unique_ptr<TestCsiClient> client_;
};

}  // namespace oneagent

#endif  // TESTS_BENCH_BENCH_NODE_H_
