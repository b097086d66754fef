// The API server that the other tests rest on does what they rely on, and the
// provisioner's role allows what it must and nothing else.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/kube/kube_fixture.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr char kAccount[] =
    "system:serviceaccount:dynatrace:oneagent-csi-provisioner";

using ApiServerTest = KubeTest;

TEST_F(ApiServerTest, BothVersionsOfADynaKubeAreServed) {
  server().Apply(
      "apiVersion: dynatrace.com/v1beta5\nkind: DynaKube\n"
      "metadata: {name: demo, namespace: dynatrace}\n"
      "spec: {apiUrl: 'https://a/api'}\n");
  for (const char* const version : {"v1beta5", "v1beta6"}) {
    EXPECT_EQ(server().MustKubectl(
                  {"get", absl::StrCat("dynakubes.", version, ".dynatrace.com"),
                   "demo", "-n", "dynatrace", "-o", "jsonpath={.spec.apiUrl}"}),
              "https://a/api");
  }
}

struct Access {
  std::string verb;
  std::string group;
  std::string resource;
  std::string namespace_name;  // empty: everywhere
  bool allowed;
};

std::vector<Access> AllAccess() {
  std::vector<Access> all;
  for (const char* const verb : {"get", "list", "watch"}) {
    const bool is_get = std::string(verb) == "get";
    for (const auto& [group, resource] :
         std::vector<std::pair<std::string, std::string>>{
             {"dynatrace.com", "dynakubes"},
             {"", "secrets"},
             {"", "configmaps"}}) {
      all.push_back({verb, group, resource, "dynatrace", true});
      all.push_back({verb, group, resource, "shop", false});
      all.push_back({verb, group, resource, "", false});
    }
    all.push_back({verb, "", "pods", "dynatrace", false});
    all.push_back({verb, "events.k8s.io", "events", "shop", false});
    all.push_back({verb, "", "nodes", "", is_get});
  }
  for (const char* const verb : {"create", "patch", "update", "delete"}) {
    const bool is_patch = std::string(verb) == "patch";
    const bool is_event = is_patch || std::string(verb) == "create";
    all.push_back({verb, "events.k8s.io", "events", "shop", is_event});
    all.push_back({verb, "", "secrets", "dynatrace", false});
    all.push_back({verb, "dynatrace.com", "dynakubes", "dynatrace", false});
    all.push_back({verb, "", "nodes", "", is_patch});
  }
  return all;
}

std::string ReviewOf(const Access& access) {
  return absl::StrCat(
      "apiVersion: authorization.k8s.io/v1\nkind: SubjectAccessReview\n"
      "spec:\n  user: ",
      kAccount, "\n  resourceAttributes: {verb: ", access.verb, ", group: '",
      access.group, "', resource: ", access.resource, ", namespace: '",
      access.namespace_name, "'}\n---\n");
}

TEST_F(ApiServerTest, TheRoleAllowsWhatIsNeededAndNoMore) {
  ApplyManifest("../chart/golden/rbac_taint.yaml");
  const std::vector<Access> all = AllAccess();
  std::string reviews;
  for (const Access& access : all) reviews += ReviewOf(access);
  TempDir dir;
  const std::vector<std::string> answers = absl::StrSplit(
      server().MustKubectl({"create", "-f", dir.WriteFile("all.yaml", reviews),
                            "-o", "jsonpath={.status.allowed}{'\\n'}"}),
      '\n', absl::SkipEmpty());
  ASSERT_EQ(answers.size(), all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(answers[i] == "true", all[i].allowed)
        << all[i].verb << " " << all[i].resource << " in '"
        << all[i].namespace_name << "'";
  }
}

TEST_F(ApiServerTest, ATokenIsTheAccountsAndEndsWithWhatItIsBoundTo) {
  server().Apply(
      "apiVersion: v1\nkind: Secret\n"
      "metadata: {name: lease, namespace: dynatrace}\n");
  const std::string token =
      server().CreateToken("dynatrace", "oneagent-csi-provisioner", "lease");
  const std::string kubeconfig =
      server().WriteKubeconfig({.name = "account", .token = token});
  const std::vector<std::string> who = {
      absl::StrCat("--kubeconfig=", kubeconfig), "auth", "whoami", "-o",
      "jsonpath={.status.userInfo.username}"};
  EXPECT_EQ(server().MustKubectl(who), kAccount);
  server().MustKubectl({"delete", "secret", "lease", "-n", "dynatrace"});
  server().AwaitRefused(token);
  EXPECT_THAT(server().Kubectl(who).err, HasSubstr("Unauthorized"));
}

// A pod with a volume of the driver, and the volume's attributes.
std::string PodYaml(const std::string& name, const std::string& namespace_name,
                    const std::string& csi) {
  return absl::StrCat(
      "apiVersion: v1\nkind: Pod\nmetadata: {name: ", name,
      ", namespace: ", namespace_name,
      "}\nspec:\n  automountServiceAccountToken: false\n"
      "  containers: [{name: a, image: a}]\n"
      "  volumes: [{name: v, csi: {driver: csi.oneagent.dynatrace.com, ",
      csi, "}}]\n---\n");
}

TEST_F(ApiServerTest, ThePolicyOfTheDocumentsKeepsPodsToTheirDynaKube) {
  ApplyManifest("../../docs/admission_policy.yaml");
  server().MustKubectl({"label", "namespace", "shop",
                        "dynakube.internal.dynatrace.com/instance=demo"});
  TempDir dir;
  const std::string pods = dir.WriteFile(
      "pods.yaml",
      absl::StrCat(
          PodYaml("foreign", "shop",
                  "readOnly: true, volumeAttributes: {mode: app, dynakube: "
                  "other}"),
          PodYaml("own", "shop",
                  "readOnly: true, volumeAttributes: {mode: app, dynakube: "
                  "demo}"),
          PodYaml("writes", "shop",
                  "volumeAttributes: {mode: app, dynakube: demo}"),
          PodYaml("host", "shop",
                  "readOnly: true, volumeAttributes: {mode: host, dynakube: "
                  "demo}"),
          PodYaml("bare", "shop", "readOnly: true"),
          PodYaml("agent", "dynatrace",
                  "volumeAttributes: {mode: host, dynakube: demo}")));
  constexpr char kForeign[] = "a pod of shop may use DynaKube 'demo' alone";
  ProgramResult created;
  // A policy counts from a moment after it was made; the first pod shows it.
  EXPECT_TRUE(WaitUntil([&] {
    created = server().Kubectl(
        {"create", "--dry-run=server", "-o", "name", "-f", pods});
    return absl::StrContains(created.err, kForeign);
  }));
  EXPECT_EQ(created.out, "pod/own\npod/agent\n");
  EXPECT_THAT(
      created.err,
      AllOf(HasSubstr("volumes of csi.oneagent.dynatrace.com are to be "
                      "readOnly"),
            HasSubstr("mode host of csi.oneagent.dynatrace.com is for the "
                      "namespace dynatrace"),
            HasSubstr("\"bare\" is forbidden")));
  server().MustKubectl(
      {"delete", "-f", Manifest("../../docs/admission_policy.yaml")});
}

TEST_F(ApiServerTest, AfterCompactionAndRestartAnOldWatchIsGone) {
  const std::string before =
      server().MustKubectl({"get", "dynakube", "demo", "-n", "dynatrace", "-o",
                            "jsonpath={.metadata.resourceVersion}"});
  server().MustKubectl({"label", "namespace", "dynatrace", "a=b"});
  server().KillApiServer();
  EXPECT_NE(server().Kubectl({"get", "--raw", "/readyz"}).exit_code, 0);
  server().CompactHistory();
  server().StartApiServer();
  const ProgramResult watch = server().Kubectl(
      {"get", "--raw",
       absl::StrCat("/apis/dynatrace.com/v1beta6/namespaces/dynatrace/"
                    "dynakubes?watch=1&timeoutSeconds=5&resourceVersion=",
                    before)});
  EXPECT_THAT(absl::StrCat(watch.out, watch.err), HasSubstr("\"code\":410"));
}

TEST_F(ApiServerTest, RequestsAreCounted) {
  const std::vector<std::string> lists = {"resource=\"pods\"", "verb=\"LIST\""};
  const int64_t before = server().CountRequests(lists);
  server().MustKubectl({"get", "pods", "-n", "shop"});
  server().MustKubectl({"get", "pods", "-n", "shop"});
  EXPECT_EQ(server().CountRequests(lists), before + 2);
}

}  // namespace
}  // namespace oneagent
