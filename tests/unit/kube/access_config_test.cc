#include "cache/kube/access_config.h"

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class InClusterTest : public testing::Test {
 protected:
  InClusterTest() {
    dir_.WriteFile("sa/..data/token", "TOKEN\n");
    dir_.WriteFile("sa/..data/ca.crt", "PEM");
    dir_.WriteFile("sa/..data/namespace", "dynatrace");
    for (const char* const name : {"token", "ca.crt", "namespace"}) {
      Link(name);
    }
  }
  // As kubelet mounts them.
  void Link(const std::string& name) {
    ASSERT_EQ(symlink(absl::StrCat("..data/", name).c_str(),
                      dir_.Path(absl::StrCat("sa/", name)).c_str()),
              0);
  }
  PodSurroundings Pod(std::string host) const {
    return {.service_host = std::move(host),
            .service_port = "443",
            .service_account_dir = dir_.Path("sa")};
  }
  TempDir dir_;
};

TEST_F(InClusterTest, IsWhatKubeletTellsThePod) {
  ASSERT_OK_AND_ASSIGN(const ApiAccess access,
                       InClusterAccess(Pod("10.96.0.1")));
  EXPECT_EQ(access.server, "https://10.96.0.1:443");
  EXPECT_EQ(access.namespace_name, "dynatrace");
  EXPECT_EQ(access.token_file, dir_.Path("sa/token"));
  EXPECT_EQ(access.ca.file, dir_.Path("sa/ca.crt"));
  EXPECT_FALSE(access.skip_cert_check);
}

TEST_F(InClusterTest, PutsAnIpV6AddressIntoBrackets) {
  ASSERT_OK_AND_ASSIGN(const ApiAccess access, InClusterAccess(Pod("fd00::1")));
  EXPECT_EQ(access.server, "https://[fd00::1]:443");
}

TEST_F(InClusterTest, NamesWhatIsMissing) {
  EXPECT_THAT(InClusterAccess(Pod("")),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("KUBERNETES_SERVICE_HOST is not set")));
  PodSurroundings pod = Pod("10.96.0.1");
  pod.service_port = "tcp://x";
  EXPECT_THAT(InClusterAccess(pod),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "KUBERNETES_SERVICE_PORT=tcp://x: not a port"));
  ASSERT_EQ(unlink(dir_.Path("sa/token").c_str()), 0);
  EXPECT_THAT(
      InClusterAccess(Pod("10.96.0.1")),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               AllOf(HasSubstr("service account: "), HasSubstr("/sa/token"))));
}

constexpr char kUsual[] = R"(apiVersion: v1
kind: Config
current-context: here
contexts:
- name: other
  context: {cluster: nowhere, user: nobody}
- name: here
  context: {cluster: c, user: u, namespace: dynatrace}
clusters:
- name: c
  cluster:
    server: https://api.example.test:6443/
    certificate-authority-data: UEVN
    tls-server-name: kubernetes
users:
- name: u
  user: {token: HUSHHUSH}
)";

class KubeconfigTest : public testing::Test {
 protected:
  absl::StatusOr<ApiAccess> Read(const std::string& text) {
    return KubeconfigAccess(dir_.WriteFile("config", text));
  }
  // The usual file with the user's line replaced.
  absl::StatusOr<ApiAccess> ReadWithUser(const std::string& user) {
    return Read(absl::StrReplaceAll(kUsual, {{"{token: HUSHHUSH}", user}}));
  }
  TempDir dir_;
};

TEST_F(KubeconfigTest, FollowsTheCurrentContext) {
  ASSERT_OK_AND_ASSIGN(const ApiAccess access, Read(kUsual));
  EXPECT_EQ(access, (ApiAccess{.server = "https://api.example.test:6443",
                               .namespace_name = "dynatrace",
                               .ca = {.file = "", .text = "PEM"},
                               .tls_server_name = "kubernetes",
                               .token = "HUSHHUSH"}));
}

TEST_F(KubeconfigTest, TakesFilesBesideItself) {
  dir_.WriteFile("pki/a.crt", "CERT");
  dir_.WriteFile("pki/a.key", "KEY");
  ASSERT_OK_AND_ASSIGN(
      const ApiAccess access,
      ReadWithUser("{client-certificate: pki/a.crt, client-key: pki/a.key, "
                   "tokenFile: token}"));
  EXPECT_EQ(access.client_certificate.file, dir_.Path("pki/a.crt"));
  EXPECT_EQ(access.client_key.file, dir_.Path("pki/a.key"));
  EXPECT_EQ(access.token_file, dir_.Path("token"));
}

TEST_F(KubeconfigTest, TakesDataOverFiles) {
  ASSERT_OK_AND_ASSIGN(
      const ApiAccess access,
      ReadWithUser("{client-certificate: gone, client-certificate-data: YQ==, "
                   "client-key: gone, client-key-data: Yg==}"));
  EXPECT_EQ(access.client_certificate.text, "a");
  EXPECT_EQ(access.client_key.text, "b");
  EXPECT_EQ(access.client_certificate.file, "");
}

TEST_F(KubeconfigTest, AssumesTheNamespaceThatKubectlAssumes) {
  ASSERT_OK_AND_ASSIGN(
      const ApiAccess access,
      Read(absl::StrReplaceAll(kUsual, {{", namespace: dynatrace", ""}})));
  EXPECT_EQ(access.namespace_name, "default");
}

TEST_F(KubeconfigTest, SkipsTheCheckWhenItIsToldTo) {
  ASSERT_OK_AND_ASSIGN(
      const ApiAccess access,
      Read(absl::StrReplaceAll(kUsual, {{"certificate-authority-data: UEVN",
                                         "insecure-skip-tls-verify: true"}})));
  EXPECT_TRUE(access.skip_cert_check);
}

TEST_F(KubeconfigTest, NamesWhatItDoesNotServe) {
  struct Case {
    std::string user;
    std::string cause;
  };
  for (const Case& each : std::vector<Case>{
           {"{exec: {command: aws, args: [HUSHHUSH]}}",
            "user u: exec plugin is not supported, use a token or a client "
            "certificate"},
           {"{auth-provider: {name: oidc, config: {secret: HUSHHUSH}}}",
            "user u: auth-provider is not supported"},
           {"{username: a, password: HUSHHUSH}",
            "user u: username and password is not supported"},
           {"{token: HUSHHUSH, as: somebody}",
            "user u: as (impersonation) is not supported"},
           {"{client-certificate-data: '!', client-key-data: HUSHHUSH}",
            "user u: client-certificate-data: not base64"},
           {"{client-certificate-data: YQ==}",
            "user u: a client certificate and its key go together"},
           {"{token: [HUSHHUSH]}", "not a kubeconfig"},
           {"{token: HUSHHUSH", "config:"}}) {
    EXPECT_THAT(
        ReadWithUser(each.user),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 AllOf(HasSubstr(dir_.Path("config")), HasSubstr(each.cause),
                       Not(HasSubstr("HUSHHUSH")))))
        << each.user;
  }
}

TEST_F(KubeconfigTest, NamesWhatIsNotDefined) {
  const auto with = [](const char* from, const char* to) {
    return absl::StrReplaceAll(kUsual, {{from, to}});
  };
  EXPECT_THAT(Read(with("current-context: here", "current-context: there")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("context there: not defined")));
  EXPECT_THAT(Read(with("current-context: here", "preferences: {}")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("no current-context")));
  EXPECT_THAT(Read(with("cluster: c,", "cluster: d,")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("cluster d: not defined")));
  EXPECT_THAT(Read(with("user: u,", "user: v,")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("user v: not defined")));
  EXPECT_THAT(Read(with("https://api", "ftp://api")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("cluster c: server: ")));
  EXPECT_THAT(Read(with("tls-server-name", "proxy-url")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("proxy-url is not supported")));
  EXPECT_THAT(KubeconfigAccess(dir_.Path("none")),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace oneagent
