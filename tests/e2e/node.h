// One node for end-to-end tests: the shipped programs on real sockets, a
// tenant API on loopback, a directory of DynaKubes and one that stands for
// kubelet's. All of it in a private mount namespace.
//
//   Node node;
//   node.ApplyDynaKube({.version = kFirstAgentVersion});
//   node.StartMounter();
//   node.StartProvisioner();
//   ASSERT_TRUE(node.WaitForVersion(kFirstAgentVersion));
//   ASSERT_OK(node.Publish({.pod = "a"}));
//   EXPECT_EQ(node.RunIn("a").exit_code, 0);
//
// What a test left mounted or running fails it at the end. Thread-safe: Publish
// and Unpublish; everything else is for the test's thread.
#ifndef TESTS_E2E_NODE_H_
#define TESTS_E2E_NODE_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cache/index/index.h"
#include "cache/index/layout.h"
#include "cache/index/rows.h"
#include "overlay/mount_table.h"
#include "tests/support/agent/package.h"
#include "tests/support/csi_client.h"
#include "tests/support/daemon.h"
#include "tests/support/private_mounts.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tenant_api.h"

namespace oneagent {

struct PodVolume {
  std::string pod;
  std::string dynakube = "demo";
  std::string mode = "app";
  bool read_only = false;
  std::string retry_timeout = {};
  std::map<std::string, std::string> attributes = {};
};

// What its pod's author writes.
std::map<std::string, std::string> AttributesOf(const PodVolume& volume);

struct DynaKubeOptions {
  std::string name = "demo";
  std::string version = {};  // empty: latest by API
  std::string token = kTenantApiToken;
  std::string extra_spec = {};  // YAML lines at the level of spec
};

class Node {
 public:
  // Enters a private mount namespace and makes the agents' packages.
  Node();
  // Stops what runs; a mount or a target that is left fails the test.
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  TenantApiServer& tenant() { return tenant_; }
  const Layout& layout() const { return layout_; }
  const std::string& kubelet_dir() const { return kubelet_dir_; }
  std::string socket() const { return dir_.Path("csi.sock"); }

  void ApplyDynaKube(const DynaKubeOptions& options);
  void DeleteDynaKube(const std::string& name);
  // What ApplyDynaKube writes: the DynaKube and its Secret.
  std::string DynaKubeManifests(const DynaKubeOptions& options) const;
  // From now on the provisioner is started with `flags` instead of
  // --dynakube-dir.
  void SetSource(std::vector<std::string> flags);
  const std::vector<std::string>& source() const { return source_; }
  // A pod that is called so has this uid, not one made of its name.
  void SetPodUid(const std::string& pod, const std::string& uid);

  // Each replaces the one before; `flags` come after the usual ones. The
  // mounter answers when StartMounter returns.
  void StartMounter(const std::vector<std::string>& flags = {},
                    const std::function<void()>& before_exec = {});
  void StartProvisioner(const std::vector<std::string>& flags = {});
  // provisioner --once; its exit code.
  int ProvisionOnce(const std::vector<std::string>& flags = {});
  Daemon& mounter() { return *mounter_; }
  Daemon& provisioner() { return *provisioner_; }
  // What a reboot leaves: directories and records, no process, no mount, and
  // another boot id (mounted over the kernel's, in this namespace alone, for as
  // long as the node lives).
  void Reboot();
  // index.db and what belongs to it.
  void DeleteIndex();
  // The port that a daemon's log says it listens on for `flag`; 0: none.
  static int PortOf(const std::string& flag, const std::string& log);
  std::string MounterLog() const;
  std::string ProvisionerLog() const;

  // As kubelet calls: the target's parent is made before.
  absl::Status Publish(const PodVolume& volume);
  absl::Status Unpublish(const std::string& pod);
  absl::StatusOr<CsiVolumeStats> Stats(const std::string& pod);

  static std::string VolumeId(const std::string& pod);
  std::string PodDir(const std::string& pod) const;
  std::string Target(const std::string& pod) const;
  // Mounts below kubelet's directory.
  std::vector<MountEntry> Mounts() const;
  int MountCount() const;
  // The pod is gone, its directory too.
  void RemovePodDir(const std::string& pod);

  // A process that loads the pod's agent.
  ProgramResult RunIn(const std::string& pod) const;
  static ProgramResult RunAt(const std::string& target);
  // Content of the pod's log/agent.log.
  std::string AgentLog(const std::string& pod) const;

  // oneagent-csi --data-dir … `words`.
  ProgramResult Cli(const std::vector<std::string>& words) const;

  // Waits, at most 30 s, until `done`; false when the time is over.
  static bool WaitUntil(const std::function<bool()>& done);
  bool WaitForVersion(const std::string& version,
                      const std::string& dynakube = "demo") const;
  bool WaitForState(TenantState state, const std::string& dynakube) const;
  bool WaitForReconciled() const;

  std::optional<TenantRow> Tenant(const std::string& dynakube) const;
  std::optional<VolumeRow> Volume(const std::string& pod) const;
  std::optional<VolumeRow> VolumeOfId(const std::string& volume_id) const;
  std::vector<AgentRow> Agents() const;

 private:
  CsiPod PodOf(const std::string& name) const;
  std::unique_ptr<Index> OpenIndex() const;
  void LoseMounts();

  TempDir dir_;
  const OverlayDisk disk_;
  const Layout layout_;
  std::vector<std::string> source_;
  std::map<std::string, std::string> pod_uids_;
  const std::string kubelet_dir_;
  TenantApiServer tenant_;
  TestCsiClient client_;
  // A kept channel backs off while the mounter starts.
  TestCsiClient fresh_client_;
  std::unique_ptr<Daemon> mounter_;
  std::unique_ptr<Daemon> provisioner_;
  int reboots_ = 0;
};

// What the agent of `pod` writes when it has been loaded.
std::string AgentLine(const std::string& pod, const std::string& version);

}  // namespace oneagent

#endif  // TESTS_E2E_NODE_H_
