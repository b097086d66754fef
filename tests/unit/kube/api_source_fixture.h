// An ApiSource with short times against FakeKubeApi.
#ifndef TESTS_UNIT_KUBE_API_SOURCE_FIXTURE_H_
#define TESTS_UNIT_KUBE_API_SOURCE_FIXTURE_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/deadline.h"
#include "cache/kube/api_source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_kube_api.h"
#include "tests/support/leak_check.h"
#include "tests/support/status_matchers.h"

namespace oneagent {

inline constexpr char kDynaKubesPath[] =
    "/apis/dynatrace.com/v1beta5/namespaces/dynatrace/dynakubes";
inline constexpr char kSecretsPath[] = "/api/v1/namespaces/dynatrace/secrets";
inline constexpr char kConfigMapsPath[] =
    "/api/v1/namespaces/dynatrace/configmaps";
// Nothing takes so long; what does is never coming.
inline constexpr absl::Duration kPatience = absl::Seconds(60);

inline std::string DynaKubeJson(const std::string& name,
                                const std::string& spec = "") {
  return absl::StrCat(
      R"({"apiVersion":"dynatrace.com/v1beta5","kind":"DynaKube",)"
      R"("metadata":{"namespace":"dynatrace","name":")",
      name,
      R"(","managedFields":[{"manager":"x","fieldsV1":{"f:spec":{}}}]},)"
      R"("spec":{"apiUrl":"https://t.example.test/api",)"
      R"("oneAgent":{"cloudNativeFullStack":{}})",
      spec.empty() ? "" : ",", spec, "}}");
}

inline std::string SecretJson(const std::string& name, const std::string& key,
                              const std::string& value) {
  return absl::StrCat(R"({"metadata":{"namespace":"dynatrace","name":")", name,
                      R"("},"data":{")", key, R"(":")",
                      absl::Base64Escape(value), R"("}})");
}

class ApiSourceTest : public testing::Test {
 protected:
  explicit ApiSourceTest(FakeKubeApi::Options options = {}) : api_(options) {}

  void Open(absl::Duration start_jitter = absl::ZeroDuration()) {
    OpenWith({.server = api_.url(), .token = kKubeApiToken}, start_jitter);
  }
  void OpenWith(ApiAccess access,
                absl::Duration start_jitter = absl::ZeroDuration()) {
    auto client = ApiClient::Open(std::move(access), "under test");
    ASSERT_OK(client);
    client_ = *std::move(client);
    source_ = std::make_unique<ApiSource>(
        *client_, ApiSource::Options{
                      .namespace_name = "dynatrace",
                      .start_jitter = start_jitter,
                      .timing = {.first_delay = absl::Milliseconds(10),
                                 .longest_delay = absl::Milliseconds(100),
                                 .margin = absl::Milliseconds(300),
                                 .longest_silence = absl::Milliseconds(300),
                                 .crowd_jitter = absl::Milliseconds(10),
                                 .shortest_stream = absl::Milliseconds(200)}});
  }

  // The first list for which `wanted` holds; a failure, and the last one, when
  // there is none.
  using State = absl::StatusOr<ClusterState>;
  const State& WaitUntil(const std::function<bool(const State&)>& wanted) {
    const Deadline deadline(kPatience);
    for (;;) {
      state_ = source_->List();
      if (wanted(state_)) return state_;
      if (deadline.IsOver()) {
        ADD_FAILURE() << "waited in vain: " << state_.status();
        return state_;
      }
      source_->WaitForChange(absl::Seconds(1));
    }
  }
  // The tenant of `dynakube` is what the reconcile would act on.
  static absl::StatusOr<DesiredTenant> Desired(const State& state,
                                               const std::string& dynakube) {
    if (!state.ok()) return state.status();
    for (const v1::DynaKube& each : state->dynakubes) {
      if (each.metadata().name() == dynakube) {
        return DesiredTenantOf(each, *state);
      }
    }
    return absl::NotFoundError(dynakube);
  }
  const State& WaitForToken(const std::string& dynakube,
                            const std::string& token) {
    return WaitUntil([&](const State& state) {
      const auto desired = Desired(state, dynakube);
      return desired.ok() && desired->api_token == token;
    });
  }
  void PutToken(const std::string& secret, const std::string& token) {
    api_.Put(kSecretsPath, SecretJson(secret, "apiToken", token));
  }
  // As usual: one DynaKube with its token, listed and watched.
  void OpenUsual() {
    api_.Put(kDynaKubesPath, DynaKubeJson("demo"));
    PutToken("demo", "first");
    Open();
    WaitForToken("demo", "first");
    WaitForWatches(4);
  }
  void WaitForWatches(int count) {
    const Deadline deadline(kPatience);
    while (api_.OpenWatches("") != count && !deadline.IsOver()) {
      source_->WaitForChange(absl::Milliseconds(10));
    }
    EXPECT_EQ(api_.OpenWatches(""), count);
  }
  int Lists(const std::string& path) const {
    return api_.CountRequests(path) - api_.CountWatches(path);
  }

  const LeakCheck leaks_;
  FakeKubeApi api_;
  std::unique_ptr<ApiClient> client_;
  std::unique_ptr<ApiSource> source_;
  State state_;  // as last listed
};

}  // namespace oneagent

#endif  // TESTS_UNIT_KUBE_API_SOURCE_FIXTURE_H_
