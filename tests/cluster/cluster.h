// The cluster that ./dev e2e has brought up, for the tests that drive it: each
// call is a run of cluster.sh, as a user would make it. Thread-safe.
//
//   Cluster cluster;
//   cluster.Apply("apiVersion: v1\n…");
//   EXPECT_TRUE(WaitUntil([&] { return cluster.Log(pod) == "…"; }));
#ifndef TESTS_CLUSTER_CLUSTER_H_
#define TESTS_CLUSTER_CLUSTER_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tests/support/daemon.h"

namespace oneagent {

inline constexpr char kDriverNamespace[] = "dynatrace";
inline constexpr char kNodeAddress[] = "10.0.0.10";

class Cluster {
 public:
  // cluster.sh WORDS…: "kubectl", "helm", "exec", "reboot", "kill", …
  static ProgramResult Run(const std::vector<std::string>& words);
  // What it writes; a test failure, with what it says, when it fails.
  static std::string Must(const std::vector<std::string>& words);
  // kubectl WORDS…, which must succeed.
  static std::string Kubectl(std::vector<std::string> words);
  // One jsonpath of an object or of all of a kind; "" while there is none.
  static std::string Get(const std::string& namespace_name,
                         const std::string& what, const std::string& jsonpath);
  static void Apply(absl::string_view yaml);
  // What the pod's container has written; "" while it has not started.
  static std::string Log(const std::string& namespace_name,
                         const std::string& pod);
  static std::string Describe(const std::string& namespace_name,
                              const std::string& pod);
  // Runs a program in a pod's container.
  static ProgramResult Exec(const std::string& namespace_name,
                            const std::string& pod,
                            const std::vector<std::string>& argv);

  // oneagent-csi WORDS… in the mounter's container.
  static ProgramResult Cli(const std::vector<std::string>& words);
  // Where the cluster's node has the directory that the chart's pods see as
  // /data; as the node sees it.
  static constexpr char kDataDir[] = "/var/lib/kubelet/plugins/oneagent-csi";
  // PID, as the node sees it, of the running program of that name; "" when
  // there is none.
  static std::string PidOf(const std::string& program);
  // Until both of the driver's containers are ready, none is ending, and
  // kubelet knows the driver.
  static bool AwaitDriver();
};

// Asks twice a second at first; false when `limit` is over.
bool WaitUntil(const std::function<bool()>& done,
               absl::Duration limit = absl::Minutes(2));

}  // namespace oneagent

#endif  // TESTS_CLUSTER_CLUSTER_H_
