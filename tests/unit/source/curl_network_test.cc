// TLS, proxies and redirects: where our headers may go and whom we believe.
#include <sys/mount.h>

#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
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
using testing::Contains;
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

int WithPassword(const LoopbackProxy& proxy) {
  int count = 0;
  for (const std::string& request : proxy.Requests()) {
    count += absl::StrContains(request, "Proxy-Authorization") ? 1 : 0;
  }
  return count;
}

// The proxy leads every name to loopback; what is loopback by its own name is
// never asked through one.
std::string BehindProxy(const std::string& url) {
  return absl::StrReplaceAll(url, {{"127.0.0.1", "tenant.example.test"}});
}
std::string UrlOf(const LoopbackProxy& proxy, const std::string& user = "") {
  return absl::StrCat("http://", user, user.empty() ? "" : "@",
                      "127.0.0.1:", proxy.port());
}

TEST_F(TlsTest, ProxyTunnelsAndSeesNoToken) {
  const LoopbackProxy proxy("user:p@ss:word");
  FetchRequest request = Request(kConnectionInfoPath);
  request.url = BehindProxy(request.url);
  request.connection.skip_cert_check = true;  // it is not for that name
  request.connection.proxy = UrlOf(proxy, "user:p%40ss%3Aword");
  ASSERT_OK_AND_ASSIGN(const FetchResult result, fetcher_.Fetch(request));
  EXPECT_EQ(result.http_status, 200);
  EXPECT_EQ(result.headers.count("proxy-authenticate"), 0u);
  EXPECT_THAT(proxy.Requests(),
              AllOf(Not(IsEmpty()),
                    Each(AllOf(StartsWith("CONNECT tenant.example.test:"),
                               Not(HasSubstr("SECRETPART"))))));
}

TEST_F(TlsTest, RefusingProxyIsAskedOnceWithTheSamePassword) {
  const LoopbackProxy proxy("user:right");
  FetchRequest request = Request(kConnectionInfoPath);
  request.url = BehindProxy(request.url);
  request.connection.skip_cert_check = true;
  request.connection.proxy = UrlOf(proxy, "user:WRONGPASS");
  std::vector<std::thread> others;
  for (int i = 0; i < 4; ++i) {
    others.emplace_back([&] {
      EXPECT_THAT(fetcher_.Fetch(request),
                  StatusIs(absl::StatusCode::kUnauthenticated,
                           AllOf(HasSubstr(absl::StrCat(
                                     "proxy http://127.0.0.1:", proxy.port(),
                                     ": HTTP 407: it refuses the credentials; "
                                     "it offers Basic, this driver")),
                                 Not(HasSubstr("WRONGPASS")))));
    });
  }
  for (std::thread& other : others) other.join();
  EXPECT_EQ(WithPassword(proxy), 1);
  EXPECT_THAT(server_.Requests(), IsEmpty());
  request.connection.proxy = UrlOf(proxy, "user:right");
  EXPECT_OK(fetcher_.Fetch(request));
}

class ProxyTest : public FetcherFixture {
 protected:
  FetchRequest Request(const std::string& path) const {
    FetchRequest request = FetcherFixture::Request(path);
    request.url = BehindProxy(request.url);
    return request;
  }
};

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

TEST_F(ProxyTest, GetsThePasswordOnceItHasAskedForIt) {
  const LoopbackProxy proxy("user:right");
  FetchRequest request = Request(kAgentPath);
  request.file = dir_.Path("agent.part");
  request.connection.proxy = UrlOf(proxy, "user:right");
  ASSERT_OK_AND_ASSIGN(const FetchResult result, fetcher_.Fetch(request));
  EXPECT_EQ(result.http_status, 200);
  EXPECT_EQ(result.headers.count("proxy-authenticate"), 0u);
  EXPECT_TRUE(ReadTestFile(dir_.Path("agent.part")) == content_);
  EXPECT_EQ(WithPassword(proxy), 1);
}

TEST_F(ProxyTest, DigestIsAnsweredByDigestAndNotByThePassword) {
  const LoopbackProxy proxy(
      "user:right",
      {"Digest realm=\"test\", nonce=\"abc\", qop=\"auth\"", "Negotiate"});
  FetchRequest request = Request(kConnectionInfoPath);
  request.connection.proxy = UrlOf(proxy, "user:WRONGPASS");
  EXPECT_THAT(fetcher_.Fetch(request),
              StatusIs(absl::StatusCode::kUnauthenticated,
                       HasSubstr("it offers Digest, Negotiate, this driver")));
  EXPECT_THAT(proxy.Requests(),
              Contains(HasSubstr("Proxy-Authorization: Digest username=")));
  EXPECT_THAT(proxy.Requests(), Not(Contains(HasSubstr("Basic"))));
}

TEST_F(ProxyTest, OneThatWantsAPasswordNobodyGaveSaysSo) {
  const LoopbackProxy proxy("user:right");
  FetchRequest request = Request(kConnectionInfoPath);
  request.connection.proxy = UrlOf(proxy);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(fetcher_.Fetch(request),
                StatusIs(absl::StatusCode::kUnauthenticated,
                         HasSubstr("HTTP 407: it wants credentials")));
  }
  EXPECT_THAT(proxy.Requests(), SizeIs(1));
}

TEST_F(ProxyTest, HostsOfNoProxyAreAskedDirectly) {
  const LoopbackProxy proxy;
  FetchRequest request = FetcherFixture::Request(kConnectionInfoPath);
  request.url = absl::StrReplaceAll(request.url, {{"127.0.0.1", "127.0.0.2"}});
  request.connection.proxy = UrlOf(proxy);
  request.connection.no_proxy = "*.example.test";
  // Nobody listens there: it was asked directly.
  EXPECT_THAT(fetcher_.Fetch(request),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(proxy.Requests(), IsEmpty());
  FetchRequest named = Request(kConnectionInfoPath);
  named.connection = request.connection;
  // The name leads nowhere but through the proxy.
  EXPECT_THAT(fetcher_.Fetch(named), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(proxy.Requests(), IsEmpty());
  named.connection.no_proxy = "other.example.test";
  EXPECT_OK(fetcher_.Fetch(named));
  EXPECT_THAT(proxy.Requests(), SizeIs(1));
}

TEST_F(ProxyTest, TheDefaultIsForRequestsWithoutOne) {
  const LoopbackProxy proxy;
  const LoopbackProxy own;
  CurlFetcher fetcher("test", clock_, {.url = UrlOf(proxy), .no_proxy = ""});
  FetchRequest request = Request(kConnectionInfoPath);
  EXPECT_OK(fetcher.Fetch(request));
  EXPECT_THAT(proxy.Requests(), SizeIs(1));
  request.connection.proxy = UrlOf(own);
  EXPECT_OK(fetcher.Fetch(request));
  EXPECT_THAT(proxy.Requests(), SizeIs(1));
  EXPECT_THAT(own.Requests(), SizeIs(1));

  CurlFetcher direct("test", clock_,
                     {.url = UrlOf(proxy), .no_proxy = "example.test"});
  EXPECT_THAT(direct.Fetch(Request(kConnectionInfoPath)),
              StatusIs(absl::StatusCode::kUnavailable));
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
