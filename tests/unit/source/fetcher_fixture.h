// A CurlFetcher, a tenant's API on loopback, and a place for files.
#ifndef TESTS_UNIT_SOURCE_FETCHER_FIXTURE_H_
#define TESTS_UNIT_SOURCE_FETCHER_FIXTURE_H_

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "cache/source/curl_fetcher.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"
#include "tests/support/leak_check.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tenant_api.h"

namespace oneagent {

inline constexpr char kTestVersion[] = "1.300.0.20260101-120000";
inline constexpr char kAgentPath[] =
    "/v1/deployment/installer/agent/unix/paas/version/1.300.0.20260101-120000";
inline constexpr char kConnectionInfoPath[] =
    "/v1/deployment/installer/agent/connectioninfo";
inline constexpr char kAuthorization[] =
    "Authorization: Api-Token dt0c01.UNDERTEST.SECRETPART";

// `size` bytes that look like an archive's: no two parts are alike.
inline std::string RandomBytes(size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random() & 0xff);
  return bytes;
}

class FetcherFixture : public testing::Test {
 protected:
  explicit FetcherFixture(TenantApiOptions options = {})
      : content_(RandomBytes(300'000, 1)), server_(std::move(options)) {
    server_.Update([this](ServedTenant& state) {
      state.agents[kTestVersion].bytes = content_;
    });
  }

  FetchRequest Request(const std::string& path) const {
    FetchRequest request;
    request.url = absl::StrCat(server_.api_url(), path, "?flavor=QUERYPART");
    request.headers = {kAuthorization};
    return request;
  }
  FetchRequest Download(const std::string& file) const {
    FetchRequest request = Request(kAgentPath);
    request.file = file;
    return request;
  }
  void SetContent(const std::string& content) {
    content_ = content;
    server_.Update([&](ServedTenant& state) {
      state.agents[kTestVersion].bytes = content;
    });
  }

  const LeakCheck leaks_;
  TempDir dir_;
  std::string content_;
  TenantApiServer server_;
  FakeClock clock_;
  CurlFetcher fetcher_{"oneagent-csi/test provisioner", clock_};
};

}  // namespace oneagent

#endif  // TESTS_UNIT_SOURCE_FETCHER_FIXTURE_H_
