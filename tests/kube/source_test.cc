// The shipped provisioner follows a cluster: what is added, changed and
// deleted, and everything that may happen to the server, the token, the role
// and the CRD meanwhile.
#include <signal.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "tests/kube/kube_node_fixture.h"
#include "tests/support/loopback_proxy.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::HasSubstr;

class SourceTest : public KubeNodeTest {
 protected:
  void StartWith(const std::string& dynakube) {
    Apply({.name = dynakube, .version = kFirstAgentVersion});
    node_.StartProvisioner();
    ASSERT_TRUE(node_.WaitForVersion(kFirstAgentVersion, dynakube));
  }
  std::string ReasonOf(const std::string& dynakube) {
    const auto tenant = node_.Tenant(dynakube);
    return tenant.has_value() ? tenant->reason : "";
  }
  // Lists of DynaKubes since the API server was started.
  static int64_t Lists() {
    return server().CountRequests(
        {"resource=\"dynakubes\"", "verb=\"LIST\"", "scope=\"namespace\""});
  }
  // The API server is another process afterwards, and every stream was cut.
  static void RestartServer() {
    server().KillApiServer();
    server().StartApiServer();
  }
};

TEST_F(SourceTest, WhatIsAddedChangedAndDeletedIsSeen) {
  StartWith("demo");
  const absl::Time before = absl::Now();
  Apply({.name = "demo", .version = kSecondAgentVersion});
  ASSERT_TRUE(node_.WaitForVersion(kSecondAgentVersion, "demo"));
  // Two seconds on a machine that has nothing else to do, kubectl included.
  RecordProperty("seconds_to_act",
                 absl::StrCat(absl::ToDoubleSeconds(absl::Now() - before)));
  EXPECT_LT(absl::Now() - before, absl::Seconds(20));

  const int downloads = node_.tenant().CountRequests("/version/");
  Delete("demo");
  EXPECT_TRUE(WaitUntil([this] { return IsDeleted("demo"); }));
  Apply({.name = "demo", .version = kSecondAgentVersion});
  EXPECT_TRUE(WaitUntil([this] { return !IsDeleted("demo"); }));
  ASSERT_TRUE(node_.WaitForVersion(kSecondAgentVersion, "demo"));
  EXPECT_EQ(node_.tenant().CountRequests("/version/"), downloads);
}

TEST_F(SourceTest, WhatADynaKubeNamesIsSeenWhenItChanges) {
  StartWith("demo");
  MakeSecret("demo", "apiToken", "dt0c01.ANOTHER.ONE");
  ASSERT_TRUE(node_.WaitForState(TenantState::kFailed, "demo"));
  MakeSecret("demo", "apiToken", kTenantApiToken);
  ASSERT_TRUE(node_.WaitForState(TenantState::kReady, "demo"));

  // Something that is not there yet, then is.
  Apply({.name = "demo",
         .version = kFirstAgentVersion,
         .extra_spec = "  trustedCAs: cas\n"});
  EXPECT_TRUE(node_.WaitForState(TenantState::kWaiting, "demo"));
  EXPECT_THAT(ReasonOf("demo"), HasSubstr("cas"));
  server().MustKubectl(
      {"create", "configmap", "cas", "-n", kOwnNamespace,
       absl::StrCat("--from-literal=certs=", server().ca_pem())});
  ASSERT_TRUE(node_.WaitForState(TenantState::kReady, "demo"));

  LoopbackProxy proxy;
  MakeSecret("way-out", "proxy",
             absl::StrCat("http://127.0.0.1:", proxy.port()));
  // By a name that only the proxy knows: loopback is always asked directly.
  server().Apply(absl::StrReplaceAll(
      node_.DynaKubeManifests(
          {.name = "demo",
           .version = kSecondAgentVersion,
           .extra_spec = "  proxy: {valueFrom: way-out}\n"}),
      {{"//127.0.0.1:", "//tenant.example.test:"}}));
  ASSERT_TRUE(node_.WaitForVersion(kSecondAgentVersion, "demo"));
  EXPECT_THAT(proxy.Requests(), testing::Not(testing::IsEmpty()));
}

TEST_F(SourceTest, AServerThatIsAwayChangesNothingAndIsCaughtUpWith) {
  StartWith("demo");
  node_.StartMounter();
  server().KillApiServer();
  ASSERT_OK(node_.Publish({.pod = "a"}));
  EXPECT_EQ(node_.RunIn("a").exit_code, 0);
  EXPECT_TRUE(WaitForLog("cannot be listed"));
  EXPECT_TRUE(WaitUntil([this] {
    return absl::StrContains(node_.Cli({"tenants"}).out,
                             "as last known, DynaKubes cannot be listed: ");
  }));
  EXPECT_OK(node_.Unpublish("a"));
  // A restart of the provisioner without a server keeps what there is, too,
  // although nobody has a lease of it.
  node_.StartProvisioner({"--grace-period=0s", "--keep-versions=0"});
  EXPECT_TRUE(WaitForLog("the DynaKubes are not known"));
  ASSERT_OK(node_.Publish({.pod = "b"}));
  EXPECT_EQ(node_.RunIn("b").exit_code, 0);
  EXPECT_FALSE(IsDeleted("demo"));
  server().StartApiServer();
  Apply({.name = "demo", .version = kSecondAgentVersion});
  EXPECT_TRUE(node_.WaitForVersion(kSecondAgentVersion, "demo"));
  EXPECT_TRUE(WaitUntil([this] {
    return !absl::StrContains(node_.Cli({"tenants"}).out, "as last known");
  }));
  EXPECT_OK(node_.Unpublish("b"));
}

TEST_F(SourceTest, WhatHappenedBeforeACompactionIsSeen) {
  StartWith("demo");
  ExpectFollows("other");
  // While it does not look and has no stream, which would hold the news for it,
  // one is changed, one goes, and history with them.
  ASSERT_EQ(kill(node_.provisioner().pid(), SIGSTOP), 0);
  RestartServer();
  Apply({.name = "demo", .version = kSecondAgentVersion});
  Delete("other");
  server().KillApiServer();
  server().CompactHistory();
  server().StartApiServer();
  ASSERT_EQ(Lists(), 0);
  ASSERT_EQ(kill(node_.provisioner().pid(), SIGCONT), 0);
  EXPECT_TRUE(node_.WaitForVersion(kSecondAgentVersion, "demo"));
  EXPECT_TRUE(WaitUntil([this] { return IsDeleted("other"); }));
  // A watch of a version that is gone was refused: only then is listed again.
  EXPECT_GT(Lists(), 0);
}

TEST_F(SourceTest, ATokenThatRotatesIsReadAgain) {
  MakeSecret("first");
  MakeSecret("second");
  const std::string first = NewToken("first");
  const std::string second = NewToken("second");
  WriteToken(first);
  StartWith("demo");
  WriteToken(second);
  server().MustKubectl({"delete", "secret", "first", "-n", kOwnNamespace});
  server().AwaitRefused(first);
  RestartServer();
  ExpectFollows("with-the-second");

  // One that is over before its successor is there.
  server().MustKubectl({"delete", "secret", "second", "-n", kOwnNamespace});
  server().AwaitRefused(second);
  RestartServer();
  EXPECT_TRUE(WaitForLog("401"));
  EXPECT_FALSE(IsDeleted("demo"));
  WriteToken(NewToken());
  ExpectFollows("with-the-third");
  EXPECT_THAT(node_.ProvisionerLog(), testing::Not(HasSubstr(second)));
}

TEST_F(SourceTest, ARoleThatIsTakenAwayIsMissedByNameAndTakesNothingWithIt) {
  StartWith("demo");
  server().MustKubectl(
      {"delete", "rolebinding", kProvisionerAccount, "-n", kOwnNamespace});
  RestartServer();
  EXPECT_TRUE(WaitForLog("403"));
  EXPECT_THAT(node_.ProvisionerLog(), HasSubstr("dynakubes"));
  EXPECT_FALSE(IsDeleted("demo"));
  EXPECT_EQ(node_.Tenant("demo")->state, TenantState::kReady);
  ApplyManifest("../chart/golden/rbac.yaml");
  ExpectFollows("after");
}

// Its DynaKubes go with a CRD, and the watch tells; what a missing CRD hides is
// another matter.
TEST_F(SourceTest, ACrdThatGoesAndComesIsAState) {
  StartWith("demo");
  server().MustKubectl({"delete", "crd", "dynakubes.dynatrace.com"});
  EXPECT_TRUE(WaitUntil([this] { return IsDeleted("demo"); }));
  ApplyCrd();
  ExpectFollows("demo");
  EXPECT_TRUE(node_.provisioner().IsRunning());
}

TEST_F(SourceTest, ACrdThatIsMissingAtTheStartTakesNothingWithIt) {
  StartWith("demo");
  node_.provisioner().Terminate();
  server().MustKubectl({"delete", "crd", "dynakubes.dynatrace.com"});
  node_.StartProvisioner();
  EXPECT_TRUE(WaitForLog("the CRD is not installed"));
  EXPECT_FALSE(IsDeleted("demo"));
  node_.StartMounter();
  ASSERT_OK(node_.Publish({.pod = "a"}));
  EXPECT_EQ(node_.RunIn("a").exit_code, 0);
  EXPECT_OK(node_.Unpublish("a"));
  ApplyCrd();
  ExpectFollows("other");
  // It did not come back.
  EXPECT_TRUE(WaitUntil([this] { return IsDeleted("demo"); }));
}

TEST_F(SourceTest, ACrdThatIsUpgradedIsReadInAVersionThatItHas) {
  StartWith("demo");
  const auto serve_newest = [](const char* served) {
    server().MustKubectl(
        {"patch", "crd", "dynakubes.dynatrace.com", "--type=json", "-p",
         absl::StrCat(R"([{"op": "replace", )",
                      R"("path": "/spec/versions/0/served", "value": )", served,
                      "}]")});
  };
  serve_newest("false");
  server().Apply(absl::StrReplaceAll(
      node_.DynaKubeManifests({.name = "demo", .version = kSecondAgentVersion}),
      {{"v1beta6", "v1beta5"}}));
  EXPECT_TRUE(node_.WaitForVersion(kSecondAgentVersion, "demo"));
  serve_newest("true");
  ExpectFollows("other");
  EXPECT_FALSE(IsDeleted("demo"));
}

}  // namespace
}  // namespace oneagent
