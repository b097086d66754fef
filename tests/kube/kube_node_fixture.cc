#include "tests/kube/kube_node_fixture.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/durable_file.h"

namespace oneagent {

KubeNodeTest::KubeNodeTest(const std::string& url, const std::string& ca_pem) {
  WriteToken(NewToken());
  node_.SetSource(
      {absl::StrCat("--kubeconfig=", server().WriteKubeconfig(
                                         {.name = "provisioner",
                                          .token_file = dir_.Path("token"),
                                          .url = url,
                                          .ca_pem = ca_pem,
                                          .namespace_name = kOwnNamespace})),
       absl::StrCat("--node-name=", kNodeName), "--start-jitter=0s"});
}

KubeNodeTest::~KubeNodeTest() {
  server().Kubectl({"delete", "dynakubes,secrets,configmaps", "--all", "-n",
                    kOwnNamespace, "--wait=false"});
  server().Kubectl({"delete", "pods", "--all", "-n", kPodNamespace, "--force",
                    "--grace-period=0"});
}

void KubeNodeTest::Apply(const DynaKubeOptions& options) {
  server().Apply(node_.DynaKubeManifests(options));
}

void KubeNodeTest::Delete(const std::string& dynakube) {
  server().MustKubectl({"delete", "dynakube", dynakube, "-n", kOwnNamespace});
}

void KubeNodeTest::WriteToken(const std::string& token) {
  EXPECT_TRUE(
      WriteFileAtomically(dir_.Path("token"), token, 0600, Durability::kNoSync)
          .ok());
}

std::string KubeNodeTest::NewToken(const std::string& bound_to) {
  return server().CreateToken(kOwnNamespace, kProvisionerAccount, bound_to);
}

void KubeNodeTest::MakeSecret(const std::string& name, const std::string& key,
                              const std::string& value) {
  server().Apply(absl::StrCat("apiVersion: v1\nkind: Secret\nmetadata: {name: ",
                              name, ", namespace: ", kOwnNamespace,
                              "}\nstringData: {", key, ": '", value, "'}\n"));
}

bool KubeNodeTest::IsDeleted(const std::string& dynakube) const {
  const auto tenant = node_.Tenant(dynakube);
  return tenant.has_value() && tenant->deleted_at != absl::InfinitePast();
}

bool KubeNodeTest::WaitForLog(const std::string& text) {
  return WaitUntil(
      [&] { return absl::StrContains(node_.ProvisionerLog(), text); });
}

void KubeNodeTest::ExpectFollows(const std::string& dynakube) {
  Apply({.name = dynakube, .version = kFirstAgentVersion});
  EXPECT_TRUE(WaitUntil([&] {
    const auto tenant = node_.Tenant(dynakube);
    return tenant.has_value() && tenant->state == TenantState::kReady;
  })) << dynakube;
}

}  // namespace oneagent
