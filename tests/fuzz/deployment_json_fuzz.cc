// Whatever a tenant's API answers: every call ends in a value that keeps its
// promises, or in an error of one line without the token.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "cache/source/deployment_api.h"

namespace {

using oneagent::FetchRequest;
using oneagent::FetchResult;

constexpr char kToken[] = "FUZZTOKEN";

void Check(bool holds) {
  if (!holds) abort();
}

void CheckError(const absl::Status& status) {
  if (status.ok()) return;
  Check(!absl::StrContains(status.message(), kToken));
  Check(status.message().find_first_of("\r\n") == absl::string_view::npos);
  Check(status.message().size() < 2000);
}

class OneAnswer final : public oneagent::Fetcher {
 public:
  OneAnswer(int http_status, std::string body) {
    answer_.http_status = http_status;
    answer_.bytes = static_cast<int64_t>(body.size());
    answer_.body = std::move(body);
  }
  absl::StatusOr<FetchResult> Fetch(const FetchRequest&) override {
    return answer_;
  }

 private:
  FetchResult answer_;
};

}  // namespace

// Three digits of HTTP status, then the body.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const std::string input(reinterpret_cast<const char*>(data), size);
  OneAnswer fetcher(atoi(input.substr(0, 3).c_str()), input.substr(3));
  oneagent::DeploymentApi api(fetcher);
  oneagent::TenantAccess access;
  access.api_url = "https://tenant.example.test/api";
  access.token = kToken;

  const auto latest = api.LatestVersion(access, oneagent::ThisPlatform());
  CheckError(latest.status());
  if (latest.ok()) Check(latest->find('/') == std::string::npos);
  const auto versions = api.AvailableVersions(access, oneagent::ThisPlatform());
  CheckError(versions.status());
  CheckError(api.DownloadAgent(access, oneagent::ThisPlatform(), "1.2",
                               "/nonexistent", nullptr)
                 .status());
  const auto info = api.ConnectionInfo(access);
  CheckError(info.status());
  if (info.ok() && info->has_value()) Check(!(*info)->tenant_uuid.empty());
  const auto config = api.GetProcessConfig(access, 1);
  CheckError(config.status());
  if (!config.ok() || !config->has_value()) return 0;
  for (const oneagent::ConfProperty& property : (*config)->properties) {
    Check(oneagent::CheckConfProperty(property).ok());
  }
  return 0;
}
