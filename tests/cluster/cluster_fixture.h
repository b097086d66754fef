// What the scenarios share: a namespace and a DynaKube's tenant of each test's
// own, pods with the agent, and what has to hold when a test has ended:
//
//   - no pod is stuck: its namespace goes,
//   - the node has no mount of any of its pods left,
//   - `oneagent-csi doctor` in the mounter's container has no finding.
//
// Of a test that failed, what Kubernetes, the driver and the node say is kept
// below CLUSTER_DIAGNOSTICS.
#ifndef TESTS_CLUSTER_CLUSTER_FIXTURE_H_
#define TESTS_CLUSTER_CLUSTER_FIXTURE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cluster/cluster.h"
#include "tests/cluster/manifests.h"
#include "tests/support/agent/package.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_dir.h"

namespace oneagent {

// A tenant's deployment API on the node's address, in the node's network.
class ClusterTenant {
 public:
  explicit ClusterTenant(std::string uuid);

  // From now on this agent can be had.
  void Serve(const std::string& version, int filler_mib = 1);
  const std::string& api_url() const { return api_url_; }
  const std::string& uuid() const { return uuid_; }

 private:
  TempDir dir_;
  const std::string uuid_;
  std::string api_url_;
  std::unique_ptr<Daemon> server_;
};

class ClusterTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // Of this test alone; also the name of its DynaKube.
  const std::string& own() const { return own_; }
  // The test's tenant; serves kFirstAgentVersion.
  ClusterTenant& tenant() { return *tenant_; }
  // Makes or changes a DynaKube, which goes with the test.
  void ApplyDynaKube(const std::string& name, const ClusterTenant& tenant,
                     const std::string& version);
  // The test's own one.
  void WantAgent(const std::string& version) {
    ApplyDynaKube(own_, *tenant_, version);
  }
  // Until new pods of the test's DynaKube get this version.
  bool AwaitAgent(const std::string& version) const;

  AppPod Pod(const std::string& name) const {
    return {.name = name, .namespace_name = own_, .dynakube = own_};
  }
  // Creates it.
  void Start(const AppPod& pod) { Cluster::Apply(PodManifest(pod)); }
  // What the agent writes in a process of this test's tenant.
  std::string AgentLine(const std::string& version) const;
  // Until the pod runs and its log has the agent's line.
  bool AwaitInstrumented(const std::string& pod,
                         const std::string& version = kFirstAgentVersion) const;
  // Names of the namespace's pods that do not end, in order.
  std::vector<std::string> Pods() const;
  void Delete(const std::string& pod) {
    Cluster::Kubectl({"delete", "pod", "-n", own_, pod, "--timeout=120s"});
  }
  // Lines of the node's mount table with the pod's uid and the volume.
  static int CountMounts(const std::string& pod_uid);
  std::string UidOf(const std::string& pod) const {
    return Cluster::Get(own_, absl::StrCat("pod/", pod), "{.metadata.uid}");
  }

 private:
  void NoteUids();
  void ExpectNothingLeft();
  void KeepDiagnostics() const;

  std::string own_;
  std::unique_ptr<ClusterTenant> tenant_;
  std::vector<std::string> dynakubes_;
  std::vector<std::string> uids_;
};

}  // namespace oneagent

#endif  // TESTS_CLUSTER_CLUSTER_FIXTURE_H_
