#include "cache/kube/reflector.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/deadline.h"
#include "base/mutex.h"
#include "tests/unit/kube/api_source_fixture.h"

namespace oneagent {
namespace {

// One secret's reflector, with watches of a second.
class ReflectorTest : public testing::Test {
 protected:
  ReflectorTest() {
    auto client = ApiClient::Open(
        {.server = api_.url(), .token = kKubeApiToken}, "under test");
    client_ = *std::move(client);
    client_->RunAndWait([this] {
      reflector_ = std::make_unique<Reflector>(
          *client_, secrets_,
          Reflector::Options{
              .resource = {.group = "",
                           .version = "v1",
                           .resource = "secrets",
                           .namespace_name = "dynatrace",
                           .name = "demo"},
              .timing = {.first_delay = absl::Milliseconds(10),
                         .longest_delay = absl::Milliseconds(50),
                         .margin = absl::Milliseconds(200),
                         .longest_silence = absl::Minutes(1),
                         .crowd_jitter = absl::Milliseconds(10),
                         .shortest_stream = absl::Milliseconds(200)},
              .watch_time = [] { return absl::Seconds(1); },
              .on_change = [this] { Changed(); }});
    });
  }
  ~ReflectorTest() override {
    client_->RunAndWait([this] { reflector_.reset(); });
  }

  void Start() {
    client_->RunAndWait([this] { reflector_->Start(); });
  }
  void Changed() {
    MutexLock lock(mu_);
    const auto found = secrets_.objects().find("demo");
    token_ = found == secrets_.objects().end() || !found->second.ok()
                 ? ""
                 : found->second->data().at("apiToken");
    cv_.NotifyAll();
  }
  void WaitForToken(const std::string& token) {
    const Deadline deadline(kPatience);
    MutexLock lock(mu_);
    while (token_ != token && !deadline.IsOver()) {
      cv_.WaitFor(mu_, deadline.Left());
    }
    EXPECT_EQ(token_, token);
  }
  // Until as many were begun.
  void WaitForWatches(int count) {
    const Deadline deadline(kPatience);
    while (api_.CountWatches("") < count && !deadline.IsOver()) {
      MutexLock lock(mu_);
      cv_.WaitFor(mu_, absl::Milliseconds(20));
    }
  }
  void Put(const std::string& token) {
    api_.Put(kSecretsPath, SecretJson("demo", "apiToken", token));
  }

  const LeakCheck leaks_;
  FakeKubeApi api_;
  std::unique_ptr<ApiClient> client_;
  ObjectMap<v1::Secret> secrets_;
  std::unique_ptr<Reflector> reflector_;
  Mutex mu_;
  CondVar cv_;
  std::string token_ ABSL_GUARDED_BY(mu_);
};

TEST_F(ReflectorTest, FindsASilentStreamDeadByItsOwnDeadline) {
  Put("first");
  api_.AddFault({.kind = KubeFault::Kind::kStall,
                 .part = "watch=true",
                 .after_bytes = 0});
  Start();
  WaitForToken("first");
  Put("second");
  WaitForToken("second");
  EXPECT_EQ(api_.CountWatches(""), 2);
}

// Its server ends each after a second.
TEST_F(ReflectorTest, WatchesOnWithoutListing) {
  Put("first");
  Start();
  WaitForWatches(3);
  Put("second");
  WaitForToken("second");
  EXPECT_EQ(static_cast<int>(api_.Requests().size()) - api_.CountWatches(""),
            1);
}

// A server that says 410 whatever is asked is not asked all the time.
TEST_F(ReflectorTest, ListsOnlyOnceInARowAtOnce) {
  api_.AddFault({.part = "watch=true", .times = 4, .status = 410});
  Put("first");
  Start();
  WaitForWatches(5);
  Put("second");
  WaitForToken("second");
  std::vector<absl::Time> lists;
  for (const KubeRequest& request : api_.Requests()) {
    if (!absl::StrContains(request.target, "watch=true")) {
      lists.push_back(request.at);
    }
  }
  ASSERT_EQ(lists.size(), 5u);
  EXPECT_GE(lists[4] - lists[2], absl::Milliseconds(10));
}

TEST_F(ReflectorTest, TakesNoPageForAListThatIsNone) {
  api_.AddFault({.kind = KubeFault::Kind::kBody,
                 .part = "/secrets",
                 .times = 2,
                 .body = "<html>login</html>"});
  api_.AddFault({.kind = KubeFault::Kind::kBody,
                 .part = "/secrets",
                 .times = 2,
                 .body = "{}"});
  Put("first");
  Start();
  WaitForToken("first");
  client_->RunAndWait([this] { EXPECT_OK(reflector_->health()); });
}

}  // namespace
}  // namespace oneagent
