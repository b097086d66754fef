#include "cache/provisioner/tenant_conf.h"

#include <string>
#include <vector>

#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

DesiredTenant Desired() {
  DesiredTenant desired;
  desired.dynakube = "prod";
  return desired;
}

ConnectionDetails Tenant() {
  return {.tenant_uuid = "uuid", .tenant_token = "TT", .endpoints = "e1,e2"};
}

TEST(TenantPropertiesTest, NodeKnowsWhoseItIs) {
  EXPECT_THAT(TenantProperties(Desired(), Tenant(), {}),
              IsOkAndHolds(ElementsAre(
                  ConfProperty{"general", "serverAddress", "{e1,e2}"},
                  ConfProperty{"general", "tenant", "uuid"},
                  ConfProperty{"general", "tenantToken", "TT"})));
}

TEST(TenantPropertiesTest, EndpointsInBracesStayAsTheyAre) {
  ConnectionDetails tenant = Tenant();
  tenant.endpoints = "{e1;e2}";
  EXPECT_THAT(TenantProperties(Desired(), tenant, {}),
              IsOkAndHolds(testing::Contains(
                  ConfProperty{"general", "serverAddress", "{e1;e2}"})));
}

TEST(TenantPropertiesTest, OptionalOnesAppearWhenTheyAreSet) {
  DesiredTenant desired = Desired();
  desired.host_group = "hg";
  desired.proxy = "http://p:1";
  desired.no_proxy = "a,b";
  EXPECT_THAT(TenantProperties(desired, Tenant(), {}),
              IsOkAndHolds(ElementsAre(
                  ConfProperty{"general", "hostGroup", "hg"},
                  ConfProperty{"general", "noProxy", "a,b"},
                  ConfProperty{"general", "proxy", "http://p:1"},
                  ConfProperty{"general", "serverAddress", "{e1,e2}"},
                  ConfProperty{"general", "tenant", "uuid"},
                  ConfProperty{"general", "tenantToken", "TT"})));
}

TEST(TenantPropertiesTest, WhatTheTenantSaysOfTheNodeIsLeftOut) {
  DesiredTenant desired = Desired();
  desired.proxy = "http://p:1";
  desired.agent_ignores_proxy = true;
  EXPECT_THAT(TenantProperties(desired, Tenant(),
                               {{"general", "proxy", "old"},
                                {"general", "tenantToken", "old"},
                                {"general", "own", "1"},
                                {"other", "proxy", "stays"}}),
              IsOkAndHolds(ElementsAre(
                  ConfProperty{"general", "own", "1"},
                  ConfProperty{"other", "proxy", "stays"},
                  ConfProperty{"general", "serverAddress", "{e1,e2}"},
                  ConfProperty{"general", "tenant", "uuid"},
                  ConfProperty{"general", "tenantToken", "TT"})));
}

TEST(TenantPropertiesTest, ALineBreakInAValueIsRefused) {
  DesiredTenant desired = Desired();
  desired.host_group = "hg\ntenant other";
  const auto properties = TenantProperties(desired, Tenant(), {});
  EXPECT_THAT(properties, StatusIs(absl::StatusCode::kInvalidArgument,
                                   HasSubstr("hostGroup")));
}

TEST(WithoutSecretsTest, NoSecretNoControlCharacterNoEnd) {
  DesiredTenant desired = Desired();
  desired.api_token = "dt0c01.SECRET";
  desired.tenant_token = "OPERATORTOKEN";
  desired.proxy = "http://user:hunter2@proxy:1";
  const std::string text = WithoutSecrets(
      "a dt0c01.SECRET b TT c OPERATORTOKEN\nvia http://user:hunter2@proxy:1",
      desired, Tenant());
  EXPECT_EQ(text, "a *** b *** c *** via http://***@proxy:1");
  EXPECT_LT(WithoutSecrets(std::string(10000, 'x'), desired, {}).size(), 600u);
  EXPECT_EQ(WithoutSecrets("plain", Desired(), {}), "plain");
}

}  // namespace
}  // namespace oneagent
