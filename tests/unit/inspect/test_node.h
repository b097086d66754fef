// A node for tests of the CLI: a data directory with a real index, real
// records, trees and mounts, as the daemons leave them, and a command line.
// Needs a private mount namespace (EnterPrivateMountNamespace).
#ifndef TESTS_UNIT_INSPECT_TEST_NODE_H_
#define TESTS_UNIT_INSPECT_TEST_NODE_H_

#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "cache/index/index.h"
#include "cache/index/layout.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"

namespace oneagent {

struct CliResult {
  int code = -1;
  std::string out;
  std::string err;
};

class TestNode {
 public:
  TestNode();
  ~TestNode();  // unmounts what it mounted
  TestNode(const TestNode&) = delete;
  TestNode& operator=(const TestNode&) = delete;

  // One agent "a1…", one config, the tenant "prod" that has both, a volume
  // "csi-1" with its mount, a socket that listens: nothing for doctor to find.
  void MakeHealthy();

  AgentRow AddAgent(const std::string& id, const std::string& version);
  ConfigRow AddConfig(const std::string& id);
  TenantRow AddTenant(const std::string& dynakube, const std::string& agent,
                      const std::string& config);
  // Row, record and mount, with a lease on the tenant's agent and config.
  VolumeRow AddVolume(const std::string& id, const std::string& dynakube);
  void Listen();
  void StopListening() { listener_.Reset(); }
  // A mount as the mounter makes them, as far as doctor can tell.
  void MountOurs(const std::string& path);
  void Unmount(const std::string& path);

  // Runs the CLI with --data-dir and, where the verb has it, --endpoint.
  CliResult Run(std::vector<std::string> words);
  // The same; what it prints goes to `out` instead of the result.
  CliResult RunInto(std::ostream& out, std::vector<std::string> words);

  Index& index() { return *index_; }
  // As if the daemons were stopped.
  void CloseIndex() { index_.reset(); }
  const Layout& layout() const { return layout_; }
  TempDir& dir() { return dir_; }
  FakeClock& clock() { return clock_; }
  const std::string& boot_id() const { return boot_id_; }
  std::string socket_path() const { return dir_.Path("csi.sock"); }
  std::string Target(const std::string& volume) const {
    return dir_.Path("kubelet/pods/uid-" + volume + "/mount");
  }

 private:
  TempDir dir_;
  const Layout layout_;
  FakeClock clock_;  // starts now
  std::string boot_id_;
  std::unique_ptr<Index> index_;
  UniqueFd listener_;
  std::vector<std::string> mounts_;
};

}  // namespace oneagent

#endif  // TESTS_UNIT_INSPECT_TEST_NODE_H_
