// The shipped programs under a simulated kubelet. At the end of each test all
// pods are deleted, and nothing may be left of any: no mount, no directory of a
// pod or volume, no lease.
#ifndef TESTS_E2E_KUBELET_FIXTURE_H_
#define TESTS_E2E_KUBELET_FIXTURE_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/node.h"
#include "tests/support/kubelet_sim.h"
#include "tests/support/status_matchers.h"

namespace oneagent {

class KubeletTest : public testing::Test {
 protected:
  using CallKind = KubeletSim::Call::Kind;

  KubeletTest() { StartKubelet(absl::Minutes(2)); }
  void TearDown() override;

  // An agent is there, the mounter serves. `flags` are the mounter's.
  void StartNode(const std::vector<std::string>& flags = {});
  // Another kubelet, whose calls have this deadline; it has no pods yet.
  void StartKubelet(absl::Duration call_timeout);
  KubeletSim& kubelet() { return *kubelet_; }

  // Pods are known by a short name; uids, ids and targets are kubelet's.
  static std::string Uid(const std::string& pod);
  static std::string VolumeId(const std::string& pod);
  std::string Target(const std::string& pod) const;
  std::string PodDir(const std::string& pod) const;
  std::string VolumeDir(const std::string& pod) const;  // target's parent

  // `volume`'s pod is the one to create; its mode, DynaKube, attributes.
  void CreatePod(const PodVolume& volume);
  // "p0", "p1", …
  void CreatePods(int count);
  void DeletePod(const std::string& pod) { kubelet().DeletePod(Uid(pod)); }
  bool RunUntilMounted(const std::string& pod);
  bool RunUntilGone(const std::string& pod);
  // … so many publishes or unpublishes have been answered since ForgetCalls.
  bool RunUntilCalls(CallKind kind, int count);
  bool RunUntilSettled() { return kubelet().RunUntilSettled(); }
  // The answers, first to last.
  std::vector<absl::Status> Answers(CallKind kind) const;

  std::optional<VolumeRow> Volume(const std::string& pod) const {
    return node_.VolumeOfId(VolumeId(pod));
  }
  int64_t Leases() const;
  // Loads the pod's agent in a process.
  void ExpectAgentWorks(const std::string& pod) const;
  // A file of the pod's volume, held open.
  UniqueFd HoldFile(const std::string& pod) const;
  // Publishes and unpublishes of host storage wait while it is held.
  UniqueFd HoldHostStorage() const;
  // The mounter's own collection runs soon after a start.
  bool RestartMounterUntilForgotten(const std::string& pod);

  Node node_;

 private:
  std::unique_ptr<KubeletSim> kubelet_;
  std::vector<std::string> uids_;
};

}  // namespace oneagent

#endif  // TESTS_E2E_KUBELET_FIXTURE_H_
