// TLS, proxies and redirects: where our headers may go and whom we believe.
#include <sys/mount.h>

#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/loopback_proxy.h"
#include "tests/support/private_mounts.h"
#include "tests/support/self_signed.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/source/fetcher_fixture.h"

namespace oneagent {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

class TlsTest : public FetcherFixture {
 protected:
  static void SetUpTestSuite() { EnterPrivateMountNamespace(); }
  TlsTest() : FetcherFixture({.tls = true}) {}
};

TEST_F(TlsTest, TrustedCertificatesAreAnAdditionToTheSystems) {
  // The system trusts the server, the request names somebody else.
  const std::string system = "/etc/ssl/certs";
  ASSERT_EQ(mount("tmpfs", system.c_str(), "tmpfs", 0, nullptr), 0);
  std::ofstream(system + "/ca-certificates.crt") << server_.ca_pem();
  FetchRequest request = Request(kConnectionInfoPath);
  const auto system_alone = fetcher_.Fetch(request);
  request.connection.trusted_cas = MakeSelfSigned().pem;
  const auto both = fetcher_.Fetch(request);
  ASSERT_EQ(umount(system.c_str()), 0);
  EXPECT_OK(system_alone);
  EXPECT_OK(both);
}

TEST_F(TlsTest, UnknownCertificateIsUnavailableAndNotTriedAgain) {
  EXPECT_THAT(fetcher_.Fetch(Request(kConnectionInfoPath)),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("GET https://127.0.0.1:"),
                             HasSubstr("certificate"))));
  EXPECT_THAT(waits_, IsEmpty());
  EXPECT_THAT(server_.Requests(), IsEmpty());
}

TEST_F(TlsTest, TrustedCertificateIsFine) {
  FetchRequest request = Request(kConnectionInfoPath);
  request.connection.trusted_cas = server_.ca_pem();
  EXPECT_OK(fetcher_.Fetch(request));
}

TEST_F(TlsTest, OneOfSeveralTrustedCertificatesIsFine) {
  FetchRequest request = Request(kConnectionInfoPath);
  request.connection.trusted_cas =
      absl::StrCat(MakeSelfSigned().pem, server_.ca_pem());
  EXPECT_OK(fetcher_.Fetch(request));
}

TEST_F(TlsTest, AnotherTrustedCertificateIsNotEnough) {
  FetchRequest request = Request(kConnectionInfoPath);
  request.connection.trusted_cas = MakeSelfSigned().pem;
  EXPECT_THAT(fetcher_.Fetch(request),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(TlsTest, CertificateForAnotherNameIsNotEnough) {
  FetchRequest request = Request(kConnectionInfoPath);
  // 127.0.0.1 stands in the certificate, 127.0.0.2 does not.
  request.url = absl::StrCat("https://127.0.0.2:", server_.port(), "/x");
  request.connection.trusted_cas = server_.ca_pem();
  request.attempts = 1;
  EXPECT_THAT(fetcher_.Fetch(request),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(server_.Requests(), IsEmpty());
}

TEST_F(TlsTest, BrokenTrustedCertificateIsInvalid) {
  FetchRequest request = Request(kConnectionInfoPath);
  request.connection.trusted_cas =
      "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
  EXPECT_THAT(
      fetcher_.Fetch(request),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not valid PEM")));
}

TEST_F(TlsTest, SkippedCheckBelievesAnybody) {
  FetchRequest request = Request(kConnectionInfoPath);
  request.connection.skip_cert_check = true;
  EXPECT_OK(fetcher_.Fetch(request));
}

TEST_F(TlsTest, DownloadContinuesOverTls) {
  server_.AddFault(kAgentPath, Fault::Cut(100'000));
  FetchRequest request = Download(dir_.Path("agent.part"));
  request.connection.trusted_cas = server_.ca_pem();
  ASSERT_OK(fetcher_.Fetch(request));
  EXPECT_TRUE(ReadTestFile(dir_.Path("agent.part")) == content_);
  EXPECT_THAT(server_.Requests(), SizeIs(2));
}

TEST_F(TlsTest, ProxyTunnelsAndSeesNoToken) {
  const LoopbackProxy proxy("user:p@ss:word");
  FetchRequest request = Request(kConnectionInfoPath);
  request.connection.trusted_cas = server_.ca_pem();
  request.connection.proxy =
      absl::StrCat("http://user:p%40ss%3Aword@127.0.0.1:", proxy.port());
  ASSERT_OK_AND_ASSIGN(const FetchResult result, fetcher_.Fetch(request));
  EXPECT_EQ(result.http_status, 200);
  EXPECT_EQ(result.headers.count("proxy-authenticate"), 0u);
  EXPECT_THAT(proxy.Requests(),
              AllOf(Not(IsEmpty()), Each(AllOf(StartsWith("CONNECT 127.0.0.1:"),
                                               Not(HasSubstr("SECRETPART"))))));
}

TEST_F(TlsTest, RefusingProxyIsUnavailableAndNoCredentialIsShown) {
  const LoopbackProxy proxy("user:right");
  FetchRequest request = Request(kConnectionInfoPath);
  request.connection.proxy =
      absl::StrCat("http://user:WRONGPASS@127.0.0.1:", proxy.port());
  request.attempts = 1;
  EXPECT_THAT(fetcher_.Fetch(request),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("407"), Not(HasSubstr("WRONGPASS")))));
  EXPECT_THAT(server_.Requests(), IsEmpty());
}

class ProxyTest : public FetcherFixture {};

TEST_F(ProxyTest, ForwardsPlainRequests) {
  const LoopbackProxy proxy;
  FetchRequest request = Request(kConnectionInfoPath);
  // Without a scheme, as proxies are often given.
  request.connection.proxy = absl::StrCat("127.0.0.1:", proxy.port());
  ASSERT_OK_AND_ASSIGN(const FetchResult result, fetcher_.Fetch(request));
  EXPECT_EQ(result.http_status, 200);
  EXPECT_THAT(proxy.Requests(), SizeIs(1));
  EXPECT_THAT(server_.Requests(), SizeIs(1));
}

TEST_F(ProxyTest, HostsOfNoProxyAreAskedDirectly) {
  const LoopbackProxy proxy;
  FetchRequest request = Request(kConnectionInfoPath);
  request.connection.proxy = absl::StrCat("http://127.0.0.1:", proxy.port());
  request.connection.no_proxy = "tenant.example.test,127.0.0.1";
  EXPECT_OK(fetcher_.Fetch(request));
  EXPECT_THAT(proxy.Requests(), IsEmpty());
  EXPECT_THAT(server_.Requests(), SizeIs(1));
}

TEST_F(ProxyTest, TheDefaultIsForRequestsWithoutOne) {
  const LoopbackProxy proxy;
  const LoopbackProxy own;
  const auto url = [](const LoopbackProxy& of) {
    return absl::StrCat("http://127.0.0.1:", of.port());
  };
  const auto sleep = [](absl::Duration) {};
  CurlFetcher fetcher("test", sleep, {.url = url(proxy), .no_proxy = ""});
  FetchRequest request = Request(kConnectionInfoPath);
  EXPECT_OK(fetcher.Fetch(request));
  EXPECT_THAT(proxy.Requests(), SizeIs(1));
  request.connection.proxy = url(own);
  EXPECT_OK(fetcher.Fetch(request));
  EXPECT_THAT(proxy.Requests(), SizeIs(1));
  EXPECT_THAT(own.Requests(), SizeIs(1));

  CurlFetcher direct("test", sleep,
                     {.url = url(proxy), .no_proxy = "127.0.0.1"});
  EXPECT_OK(direct.Fetch(Request(kConnectionInfoPath)));
  EXPECT_THAT(proxy.Requests(), SizeIs(1));
}

TEST_F(ProxyTest, MissingProxyIsUnavailableAndNoCredentialIsShown) {
  FetchRequest request = Request(kConnectionInfoPath);
  {
    const LoopbackProxy gone;
    request.connection.proxy =
        absl::StrCat("http://USERPART:PASSPART@127.0.0.1:", gone.port());
  }
  EXPECT_THAT(
      fetcher_.Fetch(request),
      StatusIs(absl::StatusCode::kUnavailable,
               AllOf(Not(HasSubstr("USERPART")), Not(HasSubstr("PASSPART")))));
  EXPECT_THAT(server_.Requests(), IsEmpty());
}

class RedirectTest : public FetcherFixture {};

TEST_F(RedirectTest, ToTheSameOriginIsFollowedWithOurHeaders) {
  server_.AddFault(
      "/moved", Fault::Redirect(absl::StrCat("/e/abc12345/api", kAgentPath)));
  FetchRequest request = Request("/moved");
  request.file = dir_.Path("agent.part");
  ASSERT_OK_AND_ASSIGN(const FetchResult result, fetcher_.Fetch(request));
  EXPECT_EQ(result.http_status, 200);
  EXPECT_TRUE(ReadTestFile(request.file) == content_);
}

TEST_F(RedirectTest, ToAnotherPortIsTheResultAndNotFollowed) {
  const TenantApiServer other;
  server_.AddFault(
      "", Fault::Redirect(absl::StrCat(other.api_url(), kConnectionInfoPath)));
  ASSERT_OK_AND_ASSIGN(const FetchResult result,
                       fetcher_.Fetch(Request(kConnectionInfoPath)));
  EXPECT_EQ(result.http_status, 302);
  EXPECT_THAT(other.Requests(), IsEmpty());
}

TEST_F(RedirectTest, ToAnotherHostNameIsNotFollowed) {
  server_.AddFault("", Fault::Redirect(absl::StrCat(
                           "http://localhost:", server_.port(),
                           "/e/abc12345/api", kConnectionInfoPath)));
  ASSERT_OK_AND_ASSIGN(const FetchResult result,
                       fetcher_.Fetch(Request(kConnectionInfoPath)));
  EXPECT_EQ(result.http_status, 302);
  EXPECT_THAT(server_.Requests(), SizeIs(1));
}

TEST_F(RedirectTest, ToAFileIsNotFollowed) {
  server_.AddFault("", Fault::Redirect("file:///etc/hostname"));
  ASSERT_OK_AND_ASSIGN(const FetchResult result,
                       fetcher_.Fetch(Request(kConnectionInfoPath)));
  EXPECT_EQ(result.http_status, 302);
  EXPECT_EQ(result.body, "");
}

TEST_F(RedirectTest, InACircleEnds) {
  server_.AddFault("", Fault::Redirect("/again", /*times=*/-1));
  ASSERT_OK_AND_ASSIGN(const FetchResult result,
                       fetcher_.Fetch(Request(kConnectionInfoPath)));
  EXPECT_EQ(result.http_status, 302);
  EXPECT_THAT(server_.Requests(), SizeIs(6));
}

}  // namespace
}  // namespace oneagent
