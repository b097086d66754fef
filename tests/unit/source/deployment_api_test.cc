#include "cache/source/deployment_api.h"

#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/sha256.h"
#include "cache/source/throttle.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_fetcher.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/source/fetcher_fixture.h"

namespace oneagent {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Eq;
using testing::FieldsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Optional;

constexpr char kRoot[] = "/e/abc12345/api/v1/deployment/installer/agent/";
const Platform kPlatform = {.arch = "x86", .flavor = "multidistro"};

class DeploymentApiTest : public FetcherFixture {
 protected:
  TenantAccess Access() const {
    TenantAccess access;
    access.api_url = server_.api_url();
    access.token = kTenantApiToken;
    return access;
  }
  // The one request the server saw.
  SeenRequest OnlyRequest() const {
    const std::vector<SeenRequest> seen = server_.Requests();
    EXPECT_EQ(seen.size(), 1u);
    return seen.empty() ? SeenRequest() : seen[0];
  }

  DeploymentApi api_{fetcher_};
};

TEST_F(DeploymentApiTest, LatestVersionAsksMetainfo) {
  EXPECT_THAT(api_.LatestVersion(Access(), kPlatform),
              IsOkAndHolds(kTestVersion));
  const SeenRequest seen = OnlyRequest();
  EXPECT_EQ(seen.method, "GET");
  EXPECT_EQ(seen.target, absl::StrCat(kRoot,
                                      "unix/paas/latest/metainfo?bitness=64&"
                                      "flavor=multidistro&arch=x86"));
  EXPECT_EQ(seen.Header("authorization"),
            "Api-Token dt0c01.UNDERTEST.SECRETPART");
  EXPECT_EQ(seen.Header("accept"), "application/json");
  EXPECT_EQ(seen.Header("user-agent"), "oneagent-csi/test provisioner");
}

TEST_F(DeploymentApiTest, AvailableVersionsAreListed) {
  server_.Update([](ServedTenant& tenant) { tenant.agents["1.301.0"]; });
  EXPECT_THAT(api_.AvailableVersions(Access(), kPlatform),
              IsOkAndHolds(ElementsAre(kTestVersion, "1.301.0")));
  EXPECT_EQ(
      OnlyRequest().target,
      absl::StrCat(kRoot, "versions/unix/paas?flavor=multidistro&arch=x86"));
}

TEST_F(DeploymentApiTest, AgentIsDownloadedToTheFile) {
  const std::string file = dir_.Path("a.part");
  int64_t last = 0;
  ASSERT_OK_AND_ASSIGN(
      const FetchResult result,
      api_.DownloadAgent(Access(), kPlatform, kTestVersion, file,
                         [&](int64_t done, int64_t) { last = done; }));
  EXPECT_TRUE(ReadTestFile(file) == content_);
  EXPECT_EQ(result.sha256, Sha256Hex(content_));
  EXPECT_EQ(last, 300'000);
  const SeenRequest seen = OnlyRequest();
  EXPECT_EQ(seen.target, absl::StrCat(kRoot, "unix/paas/version/", kTestVersion,
                                      "?flavor=multidistro&arch=x86&bitness=64&"
                                      "skipMetadata=true&include=all"));
  EXPECT_EQ(seen.Header("accept"), "application/octet-stream");
}

TEST_F(DeploymentApiTest, UnknownVersionNamesThoseThatExist) {
  const std::string file = dir_.Path("a.part");
  EXPECT_THAT(
      api_.DownloadAgent(Access(), kPlatform, "1.0.0", file, nullptr),
      StatusIs(absl::StatusCode::kNotFound,
               Eq(absl::StrCat("download agent 1.0.0: HTTP 404: Agent version "
                               "1.0.0 does not exist (available: ",
                               kTestVersion, ")"))));
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(DeploymentApiTest, OnlyTheLastOfManyVersionsAreNamed) {
  server_.Update([](ServedTenant& tenant) {
    for (int i = 100; i < 150; ++i) tenant.agents[absl::StrCat("1.", i)];
  });
  EXPECT_THAT(api_.DownloadAgent(Access(), kPlatform, "1.0.0",
                                 dir_.Path("a.part"), nullptr),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("available: ..., 1.131, "),
                             Not(HasSubstr("1.130, ")))));
}

TEST_F(DeploymentApiTest, UnknownVersionWithoutAListIsStillNotFound) {
  server_.AddFault("versions/unix", Fault::Status(500, "", -1));
  EXPECT_THAT(api_.DownloadAgent(Access(), kPlatform, "1.0.0",
                                 dir_.Path("a.part"), nullptr),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("Agent version 1.0.0 does not exist")));
}

TEST_F(DeploymentApiTest, VersionThatIsAPathIsNeverAskedFor) {
  for (const char* version :
       {"", "..", "../../x", "1/2", "1?a=b", "1 2", "-1", "1\n2"}) {
    EXPECT_THAT(api_.DownloadAgent(Access(), kPlatform, version,
                                   dir_.Path("a.part"), nullptr),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         "download agent: not an agent version"))
        << version;
  }
  EXPECT_THAT(server_.Requests(), IsEmpty());
}

TEST_F(DeploymentApiTest, AgentUrlHasNoQuery) {
  TenantAccess access = Access();
  access.api_url = "https://h/e/x/api/";
  EXPECT_EQ(DeploymentApi::AgentUrl(access, "1.2"),
            "https://h/e/x/api/v1/deployment/installer/agent/unix/paas/"
            "version/1.2");
}

TEST_F(DeploymentApiTest, ConnectionInfoTellsWhoTheTenantIs) {
  EXPECT_THAT(
      api_.ConnectionInfo(Access()),
      IsOkAndHolds(Optional(FieldsAre("abc12345", "TENANTTOKENUNDERTEST",
                                      "https://tenant.example.test:443"))));
  EXPECT_EQ(OnlyRequest().target, absl::StrCat(kRoot, "connectioninfo"));
}

TEST_F(DeploymentApiTest, NetworkZoneIsSentEncoded) {
  server_.Update(
      [](ServedTenant& tenant) { tenant.network_zones = {"eu & us"}; });
  TenantAccess access = Access();
  access.network_zone = "eu & us";
  EXPECT_THAT(api_.ConnectionInfo(access), IsOkAndHolds(Not(std::nullopt)));
  EXPECT_EQ(OnlyRequest().target,
            absl::StrCat(kRoot,
                         "connectioninfo?networkZone=eu%20%26%20us&"
                         "defaultZoneFallback=true"));
}

TEST_F(DeploymentApiTest, UnknownNetworkZoneIsNothing) {
  TenantAccess access = Access();
  access.network_zone = "nowhere";
  EXPECT_THAT(api_.ConnectionInfo(access), IsOkAndHolds(Eq(std::nullopt)));
}

TEST_F(DeploymentApiTest, EndpointsAreJoinedWhenNotFormatted) {
  server_.AddFault("", Fault::Body(R"({"tenantUUID": "t", "newField": [1],
      "communicationEndpoints": ["https://a:1", "https://b:2"]})"));
  EXPECT_THAT(
      api_.ConnectionInfo(Access()),
      IsOkAndHolds(Optional(FieldsAre("t", "", "https://a:1;https://b:2"))));
}

TEST_F(DeploymentApiTest, AnswerWithoutTenantIsInvalid) {
  server_.AddFault("", Fault::Body("{}"));
  EXPECT_THAT(api_.ConnectionInfo(Access()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "connection info: answer without tenantUUID"));
}

TEST_F(DeploymentApiTest, ProcessConfigIsReadInOrder) {
  server_.Update([](ServedTenant& tenant) {
    tenant.revision = 7;
    tenant.properties = {{"general", "b", "1 2"}, {"agentType", "a", ""}};
  });
  TenantAccess access = Access();
  access.host_group = "group a";
  EXPECT_THAT(api_.GetProcessConfig(access, 3),
              IsOkAndHolds(Optional(
                  FieldsAre(7,
                            ElementsAre(ConfProperty{"general", "b", "1 2"},
                                        ConfProperty{"agentType", "a", ""}),
                            ""))));
  EXPECT_EQ(OnlyRequest().target,
            absl::StrCat(kRoot,
                         "processmoduleconfig?revision=3&hostgroup=group%20a"));
}

TEST_F(DeploymentApiTest, NothingNewerIsNothing) {
  server_.Update([](ServedTenant& tenant) { tenant.revision = 7; });
  EXPECT_THAT(api_.GetProcessConfig(Access(), 7),
              IsOkAndHolds(Eq(std::nullopt)));
}

TEST_F(DeploymentApiTest, TenantWithoutProcessConfigIsNothing) {
  server_.Update(
      [](ServedTenant& tenant) { tenant.has_process_config = false; });
  EXPECT_THAT(api_.GetProcessConfig(Access(), 0),
              IsOkAndHolds(Eq(std::nullopt)));
}

TEST_F(DeploymentApiTest, ProcessConfigThatWouldWipeTheOldOneIsInvalid) {
  server_.AddFault("", Fault::Body(R"({"revision": 9, "properties": []})"));
  EXPECT_THAT(api_.GetProcessConfig(Access(), 3),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "process module config: empty properties"));
}

TEST_F(DeploymentApiTest, EmptyAnswerIsNothingNewer) {
  server_.AddFault("", Fault::Body("{}"));
  EXPECT_THAT(api_.GetProcessConfig(Access(), 3),
              IsOkAndHolds(Eq(std::nullopt)));
}

TEST_F(DeploymentApiTest, WhatTenantsSayOfThemselvesIsBounded) {
  const std::string longest(100'000, 'x');
  for (const std::string& answer :
       {absl::StrCat(R"({"tenantUUID": ")", longest, "\"}"),
        std::string(R"({"tenantUUID": "a\u0007b"})"),
        std::string(R"({"tenantUUID": "../x"})"),
        absl::StrCat(R"({"tenantUUID": "t", "tenantToken": ")", longest, "\"}"),
        std::string(R"({"tenantUUID": "t", "tenantToken": "a\nb"})"),
        absl::StrCat(R"({"tenantUUID": "t", "communicationEndpoints": [")",
                     longest, "\"]}")}) {
    server_.AddFault("", Fault::Body(answer));
    const auto info = api_.ConnectionInfo(Access());
    EXPECT_THAT(info, StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_LT(info.status().message().size(), 100u);
  }
}

TEST_F(DeploymentApiTest, APageInPlaceOfAnAnswerIsShown) {
  Fault page = Fault::Body(
      "<html><head>\n<title>Proxy</title></head> <p>Please\twait, "
      "dt0c01.UNDERTEST.SECRETPART</p></html>",
      200, /*times=*/-1);
  page.content_type = "text/html";
  server_.AddFault("", page);
  const testing::Matcher<const std::string&> words =
      AllOf(HasSubstr("a page (text/html) from 127.0.0.1: \"Proxy Please wait, "
                      "(token)"),
            Not(HasSubstr("SECRETPART")));
  EXPECT_THAT(api_.LatestVersion(Access(), kPlatform),
              StatusIs(absl::StatusCode::kInvalidArgument, words));
  EXPECT_THAT(api_.ConnectionInfo(Access()),
              StatusIs(absl::StatusCode::kInvalidArgument, words));
  EXPECT_THAT(api_.GetProcessConfig(Access(), 0),
              StatusIs(absl::StatusCode::kInvalidArgument, words));
  EXPECT_THAT(api_.DownloadAgent(Access(), kPlatform, kTestVersion,
                                 dir_.Path("file"), nullptr),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("not an archive but"), words)));
  EXPECT_NE(access(dir_.Path("file").c_str(), F_OK), 0);
}

TEST_F(DeploymentApiTest, AThrottlingTenantSaysHowLong) {
  const auto pause_of = [this](const Fault& fault) {
    server_.AddFault("", fault);
    return ThrottleOf(api_.ConnectionInfo(Access()).status());
  };
  EXPECT_EQ(pause_of(Fault::Status(429, "3600")), absl::Hours(1));
  EXPECT_EQ(pause_of(Fault::Status(503, "7")), absl::Seconds(7));
  EXPECT_EQ(pause_of(Fault::Status(429)), absl::ZeroDuration());
  EXPECT_EQ(pause_of(Fault::Status(429, "Wed, 21 Oct 2015 07:28:00 GMT")),
            absl::ZeroDuration());
  EXPECT_EQ(pause_of(Fault::Status(503)), std::nullopt);
  EXPECT_EQ(pause_of(Fault::Status(500, "7")), std::nullopt);
}

TEST_F(DeploymentApiTest, LineBreakAroundTheTokenIsNotPartOfIt) {
  TenantAccess access = Access();
  access.token = absl::StrCat(" ", kTenantApiToken, "\n");
  EXPECT_OK(api_.LatestVersion(access, kPlatform));
}

TEST_F(DeploymentApiTest, ThisMachineHasAPlatform) {
  EXPECT_THAT(ThisPlatform().arch, testing::AnyOf("x86", "arm"));
  EXPECT_EQ(ThisPlatform().flavor, "multidistro");
}

// Every call, every way to fail: the code, the call's name, the server's
// words, and never the token.
struct FailureCase {
  std::string name;
  int http_status;
  std::string body;
  absl::StatusCode code;
  std::string message;
};

void PrintTo(const FailureCase& c, std::ostream* out) { *out << c.name; }

class FailureTest : public testing::TestWithParam<FailureCase> {
 protected:
  // The outcome of every call, by the name that stands in its messages.
  std::vector<std::pair<std::string, absl::Status>> CallAll() {
    TenantAccess access;
    access.api_url = "https://tenant.example.test/api";
    access.token = "SECRETTOKEN";
    return {
        {"latest agent version",
         api_.LatestVersion(access, kPlatform).status()},
        {"available agent versions",
         api_.AvailableVersions(access, kPlatform).status()},
        {"download agent 1.2",
         api_.DownloadAgent(access, kPlatform, "1.2", dir_.Path("a"), nullptr)
             .status()},
        {"connection info", api_.ConnectionInfo(access).status()},
        {"process module config", api_.GetProcessConfig(access, 1).status()},
    };
  }

  TempDir dir_;
  FakeFetcher fetcher_;
  DeploymentApi api_{fetcher_};
};

TEST_P(FailureTest, HasItsCodeAndKeepsTheToken) {
  const FailureCase& c = GetParam();
  fetcher_.Answer("", c.http_status, c.body);
  for (const auto& [name, status] : CallAll()) {
    // These are answers there, not failures.
    if (status.ok()) {
      EXPECT_TRUE(name == "connection info" || name == "process module config")
          << name;
      EXPECT_THAT(c.http_status, testing::AnyOf(400, 404)) << name;
      continue;
    }
    EXPECT_THAT(status, StatusIs(c.code, AllOf(HasSubstr(name + ": "),
                                               HasSubstr(c.message),
                                               Not(HasSubstr("SECRET")),
                                               Not(HasSubstr("\n")))));
  }
}

const FailureCase kFailureCases[] = {
    {"RawLineBreakInTheBody", 401,
     R"({"error":{"code":401,"message":"Missing SECRETTOKEN
      header\nx"}})",
     absl::StatusCode::kPermissionDenied, "HTTP 401"},
    {"TokenThrownBack", 401,
     R"({"error":{"code":401,"message":"no such token SECRETTOKEN\n!"}})",
     absl::StatusCode::kPermissionDenied, "HTTP 401: no such token (token) !"},
    {"MissingScope", 403, R"([{"error":{"code":403,"message":"scope"}}])",
     absl::StatusCode::kPermissionDenied, "HTTP 403: scope"},
    {"NotFound", 404, R"({"error":{"code":404,"message":"gone"}})",
     absl::StatusCode::kNotFound, "HTTP 404: gone"},
    {"BodyClaimsAnotherCode", 404, R"({"error":{"code":200,"message":"fine"}})",
     absl::StatusCode::kNotFound, "HTTP 404: fine"},
    {"Overload", 429, R"({"error":{"code":429,"message":"slow down"}})",
     absl::StatusCode::kUnavailable, "HTTP 429: slow down"},
    {"ServerError", 500, "<html>oops</html>", absl::StatusCode::kUnavailable,
     "HTTP 500"},
    {"Constraint", 400,
     R"({"error":{"code":400,"message":"bad","constraintViolations":[
        {"path":"arch","message":"unknown"},{"message":"other"}]}})",
     absl::StatusCode::kInvalidArgument, "HTTP 400: bad; arch: unknown; other"},
    {"EmptyBody", 418, "", absl::StatusCode::kInvalidArgument, "HTTP 418"},
    {"Redirect", 302, "SECRETTOKEN", absl::StatusCode::kInvalidArgument,
     "HTTP 302: redirect that is not followed"},
    {"LongMessage", 500,
     "{\"error\":{\"message\":\"" + std::string(10'000, 'x') + "\"}}",
     absl::StatusCode::kUnavailable, "xxx..."},
};

INSTANTIATE_TEST_SUITE_P(DeploymentApi, FailureTest,
                         testing::ValuesIn(kFailureCases),
                         [](const auto& test) { return test.param.name; });

TEST_F(FailureTest, GarbageIsInvalidAndNotQuoted) {
  for (const std::string body :
       {"", "SECRET", "{\"tenantToken\": \"SECRET", "[]", "\"SECRET\"",
        R"({"tenantUUID": [5], "availableVersions": {"SECRET": 1},
            "latestAgentVersion": ["SECRET"], "revision": "SECRET"})"}) {
    fetcher_.Answer("", 200, body);
    for (const auto& [name, status] : CallAll()) {
      if (name == "download agent 1.2") continue;  // any bytes may be an agent
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                   AllOf(HasSubstr(name + ": "),
                                         Not(HasSubstr("SECRET")))))
          << body;
    }
  }
}

TEST_F(FailureTest, ErrorOfTheFetcherKeepsItsCode) {
  fetcher_.Fail("", absl::DeadlineExceededError("GET x: late"));
  for (const auto& [name, status] : CallAll()) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kDeadlineExceeded,
                                 Eq(name + ": GET x: late")));
  }
}

TEST_F(FailureTest, TokenThatIsNoneIsNeverSent) {
  for (const std::string token : {"", " \n", "SECRET\r\nX: y", "SECRET b"}) {
    TenantAccess access;
    access.api_url = "https://tenant.example.test/api";
    access.token = token;
    EXPECT_THAT(
        api_.LatestVersion(access, kPlatform),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 AllOf(HasSubstr("API token"), Not(HasSubstr("SECRET")))));
  }
  EXPECT_THAT(fetcher_.Requests(), IsEmpty());
}

}  // namespace
}  // namespace oneagent
