#include "tests/kube/kube_fixture.h"

#include <chrono>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/support/private_mounts.h"

namespace oneagent {

std::unique_ptr<KubeApiServer> KubeTest::server_;

void KubeTest::SetUpTestSuite() {
  EnterPrivateMountNamespace();
  server_ = std::make_unique<KubeApiServer>();
  server_->CreateNamespace(kOwnNamespace);
  server_->CreateNamespace(kPodNamespace);
  ApplyCrd();
  ApplyManifest("../chart/golden/rbac.yaml");
}

void KubeTest::TearDownTestSuite() { server_ = nullptr; }

std::string KubeTest::Manifest(const std::string& file) {
  return absl::StrCat(ONEAGENT_KUBE_MANIFESTS, "/", file);
}

void KubeTest::ApplyManifest(const std::string& file) {
  server_->ApplyFile(Manifest(file));
}

void KubeTest::ApplyCrd() {
  ApplyManifest("dynakube_crd.yaml");
  server_->MustKubectl({"wait", "--for=condition=Established", "--timeout=60s",
                        "crd/dynakubes.dynatrace.com"});
}

void KubeTest::MakePod(const std::string& name) {
  server_->Apply(absl::StrCat(
      "apiVersion: v1\nkind: Pod\nmetadata: {name: ", name, ", namespace: ",
      kPodNamespace, "}\nspec: {containers: [{name: a, image: a}]}\n"));
}

std::string KubeTest::UidOf(const std::string& kind, const std::string& name,
                            const std::string& namespace_name) {
  return Get(absl::StrCat(kind, "/", name), namespace_name, "{.metadata.uid}");
}

std::string KubeTest::Get(const std::string& what,
                          const std::string& namespace_name,
                          const std::string& jsonpath) {
  return server_->MustKubectl({"get", what, "-n", namespace_name, "-o",
                               absl::StrCat("jsonpath=", jsonpath)});
}

std::string KubeTest::Describe(const std::string& kind, const std::string& name,
                               const std::string& namespace_name) {
  return server_->MustKubectl({"describe", kind, name, "-n", namespace_name});
}

bool KubeTest::WaitUntil(const std::function<bool()>& done,
                         absl::Duration limit) {
  const absl::Time end = absl::Now() + limit;
  while (!done()) {
    if (absl::Now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

}  // namespace oneagent
