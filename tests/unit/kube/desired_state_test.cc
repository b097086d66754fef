#include "cache/kube/desired_state.h"

#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "cache/kube/manifest_reader.h"
#include "tests/support/self_signed.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char kToken[] =
    "---\napiVersion: v1\nkind: Secret\nmetadata: {name: prod}\n"
    "stringData: {apiToken: tok-api}\n";

// A DynaKube "prod" with `spec` (and more) below its apiUrl.
std::string Prod(const std::string& spec, const std::string& meta = "",
                 const std::string& version = "v1beta6") {
  return absl::StrCat("apiVersion: dynatrace.com/", version,
                      "\nkind: DynaKube\nmetadata: {name: prod", meta,
                      "}\nspec:\n  apiUrl: https://t.example/api/\n", spec);
}
constexpr char kCloudNative[] = "  oneAgent: {cloudNativeFullStack: {}}\n";

absl::StatusOr<DesiredTenant> Desired(const std::string& text) {
  ManifestReader reader;
  reader.Add("m.yaml", text);
  const ClusterState state = std::move(reader).Finish();
  if (state.dynakubes.size() != 1 || !state.problems.empty()) {
    return absl::InternalError("the test's own manifests are broken");
  }
  return DesiredTenantOf(state.dynakubes[0], state);
}

TEST(DesiredStateTest, TakesEverythingFromWhereItStands) {
  const std::string pem = MakeSelfSigned().pem;
  const auto desired = Desired(
      Prod(R"(  tokens: keys
  skipCertCheck: true
  trustedCAs: cas
  networkZone: zone
  proxy: {valueFrom: px}
  dynatraceApiRequestThreshold: 20
  oneAgent:
    cloudNativeFullStack:
      version: 1.1.1.1-1
      codeModulesImage: img
      args: [--x=1, --set-host-group=hg]
status:
  codeModules: {version: 1.2.2.2-2}
  oneAgent: {connectionInfoStatus: {tenantUUID: abc, endpoints: 'https://e'}}
)",
           ", annotations: {feature.dynatrace.com/no-proxy: 'a,b', "
           "alpha.operator.dynatrace.com/feature-oneagent-ignore-proxy: "
           "'true', feature.dynatrace.com/max-csi-mount-attempts: '7'}") +
      R"(---
{apiVersion: v1, kind: Secret, metadata: {name: keys}, stringData: {apiToken: A, paasToken: "P\n"}}
---
{apiVersion: v1, kind: Secret, metadata: {name: px}, stringData: {proxy: 'http://u:p@x:1'}}
---
{apiVersion: v1, kind: Secret, metadata: {name: prod-oneagent-tenant-secret}, stringData: {tenant-token: TT}}
---
{apiVersion: v1, kind: Secret, metadata: {name: prod-pmc-secret}, stringData: {ruxitagentproc.conf: '{"revision": 1}'}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: cas}, data: {certs: ")" +
      absl::StrReplaceAll(pem, {{"\n", "\\n"}}) + "\"}}\n");
  DesiredTenant want;
  want.dynakube = "prod";
  want.namespace_name = "default";
  want.needs_agent = true;
  want.version = "1.2.2.2-2";
  want.image = "img";
  want.api_url = "https://t.example/api";
  want.api_token = "A";
  want.other_token = "P";
  want.tenant_uuid = "abc";
  want.tenant_token = "TT";
  want.endpoints = "https://e";
  want.network_zone = "zone";
  want.host_group = "hg";
  want.proxy = "http://u:p@x:1";
  want.no_proxy = "a,b";
  want.agent_ignores_proxy = true;
  want.trusted_cas = pem;
  want.skip_cert_check = true;
  want.max_attempts = 7;
  want.process_config = R"({"revision": 1})";
  want.api_pause = absl::Minutes(20);
  ASSERT_OK(desired);
  EXPECT_TRUE(*desired == want);
}

TEST(DesiredStateTest, ThePinnedVersionCountsWithoutOneInStatus) {
  const char* spec =
      "  oneAgent: {applicationMonitoring: {version: 1.1.1.1-1}}\n";
  EXPECT_EQ(Desired(Prod(spec) + kToken)->version, "1.1.1.1-1");
  EXPECT_EQ(
      Desired(Prod(absl::StrCat(
                  spec, "status: {codeModules: {version: custom-image}}\n")) +
              kToken)
          ->version,
      "1.1.1.1-1");
  EXPECT_EQ(Desired(Prod(kCloudNative) + kToken)->version, "");
}

TEST(DesiredStateTest, HostGroupOfTheSpecWinsOverTheArgument) {
  EXPECT_EQ(Desired(Prod("  oneAgent: {hostGroup: new, cloudNativeFullStack: "
                         "{args: [--set-host-group=old]}}\n") +
                    kToken)
                ->host_group,
            "new");
}

struct ModeCase {
  std::string name;
  std::string version;
  std::string one_agent;
  bool needs_agent;
};
void PrintTo(const ModeCase& c, std::ostream* out) { *out << c.name; }
class ModeTest : public testing::TestWithParam<ModeCase> {};

TEST_P(ModeTest, DecidesWhetherAnAgentIsNeeded) {
  const auto desired =
      Desired(Prod(absl::StrCat("  oneAgent: {", GetParam().one_agent, "}\n"),
                   "", GetParam().version) +
              kToken);
  ASSERT_OK(desired);
  EXPECT_EQ(desired->needs_agent, GetParam().needs_agent);
}

INSTANTIATE_TEST_SUITE_P(
    Modes, ModeTest,
    testing::Values(
        ModeCase{"none", "v1beta6", "", false},
        ModeCase{"cloudNative", "v1beta1", "cloudNativeFullStack: {}", true},
        ModeCase{"classic", "v1beta6", "classicFullStack: {}", false},
        ModeCase{"host", "v1beta6", "hostMonitoring: {}", false},
        ModeCase{"appOldWithout", "v1beta2", "applicationMonitoring: {}",
                 false},
        ModeCase{"appOldWith", "v1beta1",
                 "applicationMonitoring: {useCSIDriver: true}", true},
        ModeCase{"appNew", "v1beta3", "applicationMonitoring: {}", true}),
    [](const auto& test) { return test.param.name; });

struct AttemptsCase {
  std::string annotation;
  int32_t want;
};
void PrintTo(const AttemptsCase& c, std::ostream* out) { *out << c.annotation; }
class AttemptsTest : public testing::TestWithParam<AttemptsCase> {};

TEST_P(AttemptsTest, ComeFromTheAnnotation) {
  v1::DynaKube dynakube;
  for (const char* prefix :
       {"feature.dynatrace.com/", "alpha.operator.dynatrace.com/feature-"}) {
    dynakube.mutable_metadata()->clear_annotations();
    (*dynakube.mutable_metadata()->mutable_annotations())[absl::StrCat(
        prefix, "max-csi-mount-attempts")] = GetParam().annotation;
    EXPECT_EQ(MaxMountAttempts(dynakube), GetParam().want) << prefix;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Attempts, AttemptsTest,
    testing::Values(AttemptsCase{"5", 5}, AttemptsCase{"0", 1},
                    AttemptsCase{"-1", 0}, AttemptsCase{"", 0},
                    AttemptsCase{"ten", 0}, AttemptsCase{"99999999999", 0}));

struct PauseCase {
  std::string name;
  std::string spec;
  std::string annotation;
  absl::Duration want;
};
void PrintTo(const PauseCase& c, std::ostream* out) { *out << c.name; }
class PauseTest : public testing::TestWithParam<PauseCase> {};

TEST_P(PauseTest, ComesFromTheSpecElseFromTheAnnotation) {
  const std::string annotations = absl::StrCat(
      ", annotations: {feature.dynatrace.com/"
      "dynatrace-api-request-threshold: '",
      GetParam().annotation, "'}");
  const auto desired = Desired(
      Prod(absl::StrCat(kCloudNative, GetParam().spec), annotations) + kToken);
  ASSERT_OK(desired);
  EXPECT_EQ(desired->api_pause, GetParam().want);
}

INSTANTIATE_TEST_SUITE_P(
    Pauses, PauseTest,
    testing::Values(PauseCase{"annotation", "", "30", absl::Minutes(30)},
                    PauseCase{"both", "  dynatraceApiRequestThreshold: 15\n",
                              "30", absl::Minutes(15)},
                    PauseCase{"nonsense", "", "soon", absl::ZeroDuration()},
                    PauseCase{"negative", "", "-5", absl::ZeroDuration()},
                    PauseCase{"negativeSpec",
                              "  dynatraceApiRequestThreshold: -5\n", "",
                              absl::ZeroDuration()},
                    PauseCase{"endless", "", "2147483647", absl::Hours(24)}),
    [](const auto& test) { return test.param.name; });

constexpr absl::StatusCode kMayCome = absl::StatusCode::kFailedPrecondition;
constexpr absl::StatusCode kUnusable = absl::StatusCode::kInvalidArgument;

struct CauseCase {
  std::string name;
  std::string manifests;
  std::string cause;
  absl::StatusCode code = kMayCome;
};
void PrintTo(const CauseCase& c, std::ostream* out) { *out << c.name; }
class CauseTest : public testing::TestWithParam<CauseCase> {};

TEST_P(CauseTest, NamesObjectFieldAndCauseButNoSecret) {
  const auto desired = Desired(GetParam().manifests);
  EXPECT_THAT(desired,
              StatusIs(GetParam().code, testing::Eq(GetParam().cause)));
  EXPECT_THAT(std::string(desired.status().message()),
              Not(HasSubstr("hunter2")));
}

std::string Secret(const std::string& name, const std::string& data) {
  return absl::StrCat("---\napiVersion: v1\nkind: Secret\nmetadata: {name: ",
                      name, "}\nstringData: {", data, "}\n");
}

INSTANTIATE_TEST_SUITE_P(
    Causes, CauseTest,
    testing::Values(
        CauseCase{"noSecret", Prod(kCloudNative),
                  "Secret default/prod: not found (tokens)"},
        CauseCase{"secretOfAnotherNamespace",
                  Prod(kCloudNative, ", namespace: dynatrace") + kToken,
                  "Secret dynatrace/prod: not found (tokens)"},
        CauseCase{"noKey",
                  Prod(kCloudNative) + Secret("prod", "other: hunter2"),
                  "Secret default/prod: no key apiToken or paasToken"},
        CauseCase{"tokenWithALineBreak",
                  Prod(kCloudNative) +
                      Secret("prod", "apiToken: \"hunter2\\r\\nHost: x\""),
                  "Secret default/prod: the token holds blanks or control "
                  "characters",
                  kUnusable},
        CauseCase{"noApiUrl",
                  absl::StrCat("apiVersion: dynatrace.com/v1beta6\nkind: "
                               "DynaKube\nmetadata: {name: prod}\nspec:\n",
                               kCloudNative, kToken),
                  "spec.apiUrl: missing", kUnusable},
        CauseCase{"strangeApiUrl",
                  absl::StrCat("apiVersion: dynatrace.com/v1beta6\nkind: "
                               "DynaKube\nmetadata: {name: prod}\nspec:\n  "
                               "apiUrl: file:///etc/passwd\n",
                               kCloudNative, kToken),
                  "spec.apiUrl: URL is neither http nor https", kUnusable},
        CauseCase{"apiUrlWithoutAHost",
                  absl::StrCat("apiVersion: dynatrace.com/v1beta6\nkind: "
                               "DynaKube\nmetadata: {name: prod}\nspec:\n  "
                               "apiUrl: http:///api\n",
                               kCloudNative, kToken),
                  "spec.apiUrl: URL without a host", kUnusable},
        CauseCase{"apiUrlWithCredentials",
                  absl::StrCat("apiVersion: dynatrace.com/v1beta6\nkind: "
                               "DynaKube\nmetadata: {name: prod}\nspec:\n  "
                               "apiUrl: https://u:hunter2@h/api\n",
                               kCloudNative, kToken),
                  "spec.apiUrl: URL carries credentials", kUnusable},
        CauseCase{
            "noProxySecret",
            Prod(absl::StrCat("  proxy: {valueFrom: px}\n", kCloudNative)) +
                kToken,
            "Secret default/px: not found (spec.proxy)"},
        CauseCase{
            "noProxyKey",
            Prod(absl::StrCat("  proxy: {valueFrom: px}\n", kCloudNative)) +
                kToken + Secret("px", "x: y"),
            "Secret default/px: no key proxy"},
        CauseCase{
            "noCas",
            Prod(absl::StrCat("  trustedCAs: cas\n", kCloudNative)) + kToken,
            "ConfigMap default/cas: not found (trustedCAs)"},
        CauseCase{"noCerts",
                  Prod(absl::StrCat("  trustedCAs: cas\n", kCloudNative)) +
                      kToken +
                      "---\n{apiVersion: v1, kind: ConfigMap, metadata: "
                      "{name: cas}, data: {x: y}}\n",
                  "ConfigMap default/cas: no key certs"},
        CauseCase{"versionThatIsAPath",
                  Prod("  oneAgent: {cloudNativeFullStack: {version: "
                       "../../x}}\n") +
                      kToken,
                  "spec.oneAgent version: not an agent version", kUnusable},
        CauseCase{
            "tenantOfTooManyWords",
            Prod(absl::StrCat(kCloudNative,
                              "status:\n  oneAgent: {connectionInfoStatus: "
                              "{tenantUUID: 'a b'}}\n")) +
                kToken,
            "status.oneAgent.connectionInfoStatus.tenantUUID: not a "
            "tenant's name",
            kUnusable}),
    [](const auto& test) { return test.param.name; });

TEST(DesiredStateTest, ABrokenSecretIsNotSaidToBeMissing) {
  const std::string dynakube = Prod(kCloudNative);
  for (const auto& [data, cause] :
       std::vector<std::pair<std::string, std::string>>{
           {"apiToken: '!hunter2!'",
            "Secret default/prod: data.apiToken: "
            "not base64"},
           {"apiToken: [5]", "Secret default/prod: "}}) {
    ManifestReader reader;
    reader.Add("m.yaml",
               absl::StrCat(dynakube,
                            "---\napiVersion: v1\nkind: Secret\nmetadata: "
                            "{name: prod}\ndata: {",
                            data, "}\n"));
    const ClusterState state = std::move(reader).Finish();
    ASSERT_EQ(state.dynakubes.size(), 1u);
    EXPECT_THAT(DesiredTenantOf(state.dynakubes[0], state),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         testing::AllOf(testing::StartsWith(cause),
                                        Not(HasSubstr("not found")),
                                        Not(HasSubstr("hunter2")))));
  }
}

TEST(DesiredStateTest, AnOldPaasTokenDoesNotHideTheNewApiToken) {
  const auto only = [](const std::string& data) {
    return Desired(Prod(kCloudNative) + Secret("prod", data));
  };
  EXPECT_EQ(only("apiToken: new, paasToken: old")->api_token, "new");
  EXPECT_EQ(only("apiToken: new, paasToken: old")->other_token, "old");
  EXPECT_EQ(only("paasToken: old")->api_token, "old");
  EXPECT_EQ(only("paasToken: old")->other_token, "");
  EXPECT_EQ(only("apiToken: same, paasToken: same")->other_token, "");
}

TEST(DesiredStateTest, OneBrokenCertificateIsLeftOutByNumber) {
  const std::string pem = MakeSelfSigned().pem;
  const auto with = [&](const std::string& certs) {
    return Desired(
        Prod(absl::StrCat("  trustedCAs: cas\n", kCloudNative)) + kToken +
        "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: cas}, data: "
        "{certs: \"" +
        absl::StrReplaceAll(certs, {{"\n", "\\n"}}) + "\"}}\n");
  };
  const auto desired =
      with("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n" + pem);
  ASSERT_OK(desired);
  EXPECT_EQ(desired->trusted_cas, pem);
  EXPECT_THAT(desired->remarks,
              testing::ElementsAre("ConfigMap default/cas: certs: left out: "
                                   "block 1 is not base64"));
  EXPECT_THAT(with("no certificate"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "ConfigMap default/cas: certs: no BEGIN CERTIFICATE in "
                       "it"));
}

TEST(DesiredStateTest, EveryTouchOfAnObjectChangesTheDigest) {
  const auto digest = [](const std::string& text) {
    ManifestReader reader;
    reader.Add("m.yaml", text);
    const ClusterState state = std::move(reader).Finish();
    return SourceDigest(state.dynakubes.at(0), state);
  };
  const std::string before = digest(Prod(kCloudNative) + kToken);
  EXPECT_EQ(digest(Prod(kCloudNative) + kToken), before);
  EXPECT_NE(
      digest(Prod(kCloudNative, ", annotations: {touched: '1'}") + kToken),
      before);
  EXPECT_NE(digest(Prod(kCloudNative)), before);
  EXPECT_NE(digest(Prod(kCloudNative) + Secret("prod", "apiToken: other")),
            before);
  EXPECT_EQ(digest(Prod(kCloudNative) + kToken + Secret("else", "a: b")),
            before);
}

TEST(DesiredStateTest, WithoutAnAgentTokensMayBeMissing) {
  EXPECT_OK(Desired(Prod("  oneAgent: {hostMonitoring: {}}\n")));
}

}  // namespace
}  // namespace oneagent
