// What the tests of this folder share: one API server for all of a program's
// tests, with the CRD of DynaKubes, the namespaces `dynatrace` and `shop`, and
// the provisioner's account with its role and nothing more.
#ifndef TESTS_KUBE_KUBE_FIXTURE_H_
#define TESTS_KUBE_KUBE_FIXTURE_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/kube_api_server.h"

namespace oneagent {

inline constexpr char kOwnNamespace[] = "dynatrace";
inline constexpr char kPodNamespace[] = "shop";
inline constexpr char kProvisionerAccount[] = "oneagent-csi-provisioner";

class KubeTest : public testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();

  static KubeApiServer& server() { return *server_; }
  // A file beside the tests: "dynakube_crd.yaml", "../chart/golden/rbac.yaml".
  static std::string Manifest(const std::string& file);
  static void ApplyManifest(const std::string& file);
  // Also waits until it is served.
  static void ApplyCrd();

  static void MakePod(const std::string& name);
  static std::string UidOf(const std::string& kind, const std::string& name,
                           const std::string& namespace_name);
  // jsonpath of one object, or of all of a kind.
  static std::string Get(const std::string& what,
                         const std::string& namespace_name,
                         const std::string& jsonpath);
  static std::string Describe(const std::string& kind, const std::string& name,
                              const std::string& namespace_name);

  // Waits, at most a minute, until `done`; false when the time is over.
  static bool WaitUntil(const std::function<bool()>& done,
                        absl::Duration limit = absl::Minutes(1));

 private:
  static std::unique_ptr<KubeApiServer> server_;
};

}  // namespace oneagent

#endif  // TESTS_KUBE_KUBE_FIXTURE_H_
