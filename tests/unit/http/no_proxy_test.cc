// The answers of Go's httpproxy, entry by entry.
#include "cache/http/no_proxy.h"

#include <string>

#include "gtest/gtest.h"

namespace oneagent {
namespace {

struct Case {
  std::string no_proxy;
  std::string url;
  bool is_exempt = false;
};

constexpr bool kDirect = true;
constexpr bool kProxy = false;

TEST(NoProxyTest, IsReadAsGoReadsIt) {
  const Case cases[] = {
      {"", "http://example.com", kProxy},
      {" , ,", "http://example.com", kProxy},
      // Always asked directly.
      {"", "http://localhost:1", kDirect},
      {"", "http://127.9.9.9", kDirect},
      {"", "http://[::1]:8080", kDirect},
      {"", "http://localhost.example.com", kProxy},
      {"*", "https://example.com", kDirect},
      {"other.com, *", "https://example.com", kDirect},
      // A name is itself and all below it.
      {"example.com", "http://example.com", kDirect},
      {"example.com", "http://EXAMPLE.com:8080", kDirect},
      {" Example.COM ", "http://www.example.com", kDirect},
      {"example.com", "http://notexample.com", kProxy},
      {"example.com", "http://example.com.evil.net", kProxy},
      {"a.com,b.com", "http://b.com", kDirect},
      // With a dot or a star, all below it alone.
      {".example.com", "http://www.example.com", kDirect},
      {".example.com", "http://example.com", kProxy},
      {"*.example.com", "http://a.b.example.com", kDirect},
      {"*.example.com", "http://example.com", kProxy},
      {"ex*mple.com", "http://example.com", kProxy},
      // Ports: the scheme's own where the URL names none.
      {"example.com:443", "https://example.com", kDirect},
      {"example.com:443", "http://example.com", kProxy},
      {"example.com:8080", "http://www.example.com:8080", kDirect},
      {"*.example.com:8080", "http://www.example.com:8081", kProxy},
      {"example.com:", "http://example.com:99", kDirect},
      {":80", "http://example.com", kProxy},
      // Addresses, and what looks like one.
      {"10.1.2.3", "http://10.1.2.3:99", kDirect},
      {"10.1.2.3", "http://10.1.2.30", kProxy},
      {"10.1.2.3:80", "http://10.1.2.3", kDirect},
      {"10.1.2.3:80", "http://10.1.2.3:81", kProxy},
      {"10.1.2.3", "http://host.10.1.2.3.example", kProxy},
      {"fd00::1", "http://[fd00::1]", kDirect},
      {"fd00:0:0::1", "http://[fd00::1]:99", kDirect},
      {"[fd00::1]:80", "http://[fd00::1]", kDirect},
      {"[fd00::1]:80", "http://[fd00::1]:81", kProxy},
      {"[fd00::1]", "http://[fd00::1]", kProxy},
      {"::ffff:10.1.2.3", "http://10.1.2.3", kDirect},
      // Networks; names are not resolved.
      {"10.0.0.0/8", "http://10.9.8.7", kDirect},
      {"10.128.0.0/9", "http://10.127.255.255", kProxy},
      {"10.1.2.3/8", "http://10.9.8.7", kDirect},
      {"0.0.0.0/0", "http://10.9.8.7", kDirect},
      {"0.0.0.0/0", "http://[fd00::1]", kProxy},
      {"0.0.0.0/0", "http://example.com", kProxy},
      {"fd00::/8", "http://[fdff::1]", kDirect},
      {"fd00::/8", "http://[fe80::1]", kProxy},
      {"10.0.0.0/33", "http://10.0.0.0", kProxy},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(IsExempt(c.url, c.no_proxy), c.is_exempt)
        << c.url << " by \"" << c.no_proxy << "\"";
  }
}

}  // namespace
}  // namespace oneagent
