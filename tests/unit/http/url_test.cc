#include "cache/http/url.h"

#include <string>
#include <tuple>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

TEST(UrlTest, RedactedUrlHasNeitherCredentialsNorQuery) {
  EXPECT_EQ(RedactedUrl("https://u:p@Host:8443/a%20b/c?token=x#f"),
            "https://Host:8443/a%20b/c");
  EXPECT_EQ(RedactedUrl("http://h"), "http://h/");
  EXPECT_EQ(RedactedUrl("http://h:x:y/secret"), "(malformed URL)");
  EXPECT_EQ(RedactedUrl(std::string("http://h/\0secret", 16)),
            "(malformed URL)");
}

TEST(UrlTest, SameOriginComparesSchemeHostAndPort) {
  EXPECT_TRUE(SameOrigin("https://h/a", "https://H:443/b?c"));
  EXPECT_TRUE(SameOrigin("http://[::1]:80/a", "http://[::1]/b"));
  EXPECT_FALSE(SameOrigin("https://h/a", "http://h/a"));
  EXPECT_FALSE(SameOrigin("https://h/a", "https://h:8443/a"));
  EXPECT_FALSE(SameOrigin("https://h/a", "https://h.evil/a"));
  EXPECT_FALSE(SameOrigin("https://h/a", "https://h@evil/a"));
  EXPECT_FALSE(SameOrigin("", ""));
}

struct ProxyCase {
  std::string name;
  std::string proxy;
  std::string url;
  std::string user;
  std::string password;
};

void PrintTo(const ProxyCase& c, std::ostream* out) { *out << c.name; }

class ProxyUrlTest : public testing::TestWithParam<ProxyCase> {};

TEST_P(ProxyUrlTest, IsTakenApart) {
  const ProxyCase& c = GetParam();
  ASSERT_OK_AND_ASSIGN(const ProxyAddress address, ParseProxy(c.proxy));
  EXPECT_EQ(address.url, c.url);
  EXPECT_EQ(address.user, c.user);
  EXPECT_EQ(address.password, c.password);
}

const ProxyCase kProxyCases[] = {
    {"Plain", "http://p:3128", "http://p:3128", "", ""},
    {"NoScheme", "p:3128", "http://p:3128", "", ""},
    {"NoPort", "http://p", "http://p:80", "", ""},
    {"NoPortTls", "https://p", "https://p:443", "", ""},
    {"Socks", "socks5h://p", "socks5h://p:1080", "", ""},
    {"Path", "http://p:1/x", "http://p:1", "", ""},
    {"Credentials", "http://u:w@p:1", "http://p:1", "u", "w"},
    {"CredentialsNoScheme", "u:w@p:1", "http://p:1", "u", "w"},
    {"EncodedCredentials", "http://u%40d:a%3Ab%25@p:1", "http://p:1", "u@d",
     "a:b%"},
    {"RawAtInPassword", "http://u:p@ss@p:1", "http://p:1", "u", "p@ss"},
    {"RawAtTwice", "u@d:p@@p:1", "http://p:1", "u@d", "p@"},
    {"V6", "http://[::1]:3128", "http://[::1]:3128", "", ""},
};

INSTANTIATE_TEST_SUITE_P(Url, ProxyUrlTest, testing::ValuesIn(kProxyCases),
                         [](const auto& test) { return test.param.name; });

TEST(UrlTest, MalformedProxiesAreInvalidAndNotShown) {
  for (const std::string proxy :
       {"http://", "://SECRET", "http://u:SECRET@h:99999", "http://SECRET h",
        "gopher://SECRET"}) {
    EXPECT_THAT(ParseProxy(proxy),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         testing::Not(testing::HasSubstr("SECRET"))))
        << proxy;
  }
}

TEST(UrlTest, WhatHidesTheProxysHostHasToBeEncoded) {
  struct Case {
    std::string proxy;
    std::string cause;
  };
  const Case cases[] = {
      {"http://u:SECRET#x@p:1",
       "\"#\" in the credentials has to be written as %23"},
      {"http://u:SECRET?x@p:1",
       "\"?\" in the credentials has to be written as %3F"},
      {"http://u:SECRET/x@p:1",
       "\"/\" in the credentials has to be written as %2F"},
      {"http://u:SECRET%x@p:1",
       "\"%\" in the credentials has to be written as %25"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(
        ParseProxy(c.proxy),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 testing::AllOf(testing::HasSubstr(c.cause),
                                testing::Not(testing::HasSubstr("SECRET")))))
        << c.proxy;
  }
}

TEST(UrlTest, ChecksThatAUrlLeadsWhereItSays) {
  for (const std::string fine :
       {"http://h", "https://H.example:8443/api", "http://[fd00::1]:80/x",
        "HTTPS://h/e/abc/api?x=1"}) {
    EXPECT_OK(CheckUrl(fine)) << fine;
  }
  for (const std::string wrong :
       {"http:///api", "http:////api", "https:/h/api", "http:h", "http://",
        "http://h:0x50/", "http://%65xample/", "http://1/x", "http://user@h/",
        "http://h\\@evil/", "http://h:99999/", "//h/api", "h/api",
        "ftp://h/"}) {
    EXPECT_THAT(CheckUrl(wrong), StatusIs(absl::StatusCode::kInvalidArgument))
        << wrong;
  }
}

TEST(UrlTest, QueryIsEncodedAndLeavesOutWhatIsEmpty) {
  EXPECT_EQ(QueryString({}), "");
  EXPECT_EQ(QueryString({{"a", ""}}), "");
  EXPECT_EQ(QueryString({{"a", "1&b=2"}, {"c", ""}, {"d", "x y/\xc3\xbc"}}),
            "?a=1%26b%3D2&d=x%20y%2F%C3%BC");
  EXPECT_EQ(PercentEncode("aZ09-._~"), "aZ09-._~");
}

TEST(UrlTest, TakesHostAndPortApart) {
  EXPECT_EQ(HostPortOf("https://api.example.test/k8s").host,
            "api.example.test");
  EXPECT_EQ(HostPortOf("https://api.example.test/k8s").port, "443");
  EXPECT_EQ(HostPortOf("http://[fd00::1]:6443").host, "[fd00::1]");
  EXPECT_EQ(HostPortOf("http://[fd00::1]:6443").port, "6443");
  EXPECT_EQ(HostPortOf("http://a b").host, "");
}

TEST(UrlTest, ReplacesTheHostAlone) {
  EXPECT_EQ(WithHost("https://10.0.0.1:6443/a?b=%2F", "kubernetes"),
            "https://kubernetes:6443/a?b=%2F");
  EXPECT_EQ(WithHost("https://10.0.0.1", "a b"), "");
  EXPECT_EQ(WithHost("no url", "a"), "");
}

}  // namespace
}  // namespace oneagent
