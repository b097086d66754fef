// What calls leave in the mounter's metrics.
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/unit/csi/services_fixture.h"

namespace oneagent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ServicesMetricsTest : public ServicesTest {
 protected:
  void ExpectCount(const char* call, const char* result, const char* cause,
                   int count) {
    const std::string series =
        absl::StrCat("oneagent_csi_", call, "_total{cause=\"", cause,
                     "\",result=\"", result, "\"} ", count, "\n");
    EXPECT_THAT(metrics_->metrics().Render(), HasSubstr(series));
  }
  CsiPublishCall App(int pod, const char* timeout = "10m") {
    return Call(
        pod, {{"mode", "app"}, {"dynakube", "dk"}, {"retryTimeout", timeout}});
  }
  void Cover(const CsiPublishCall& call) {
    world_.fake.AddForeignMount(call.target_path);
  }
};

TEST_F(ServicesMetricsTest, EachFailureIsCountedUnderItsCause) {
  EXPECT_FALSE(client_->Publish(App(1)).ok());
  ExpectCount("publish", "failed", "no_dynakube", 1);
  EXPECT_OK(client_->Publish(App(1, "0s")));
  ExpectCount("publish", "empty", "no_dynakube", 1);

  world_.SetTenant("dk", "");
  EXPECT_FALSE(client_->Publish(App(2)).ok());
  ExpectCount("publish", "failed", "no_agent", 1);

  world_.InstallAgent(kAgent1, "1.2.3");
  world_.SetTenant("dk", kAgent1);
  world_.fake.FailNext(FakeMounter::Verb::kMountOverlay,
                       absl::InternalError("overlay for x: Invalid argument"));
  EXPECT_FALSE(client_->Publish(App(3)).ok());
  ExpectCount("publish", "failed", "mount", 1);

  Cover(App(4));
  EXPECT_FALSE(client_->Publish(App(4)).ok());
  ExpectCount("publish", "failed", "target", 1);

  CsiPublishCall invalid = App(5);
  invalid.context.erase("mode");
  EXPECT_FALSE(client_->Publish(invalid).ok());
  ExpectCount("publish", "refused", "invalid", 1);

  world_.BreakIndex();
  EXPECT_FALSE(client_->Publish(App(6)).ok());
  ExpectCount("publish", "failed", "index", 1);
  world_.HealIndex();
}

TEST_F(ServicesMetricsTest, SuccessesAndBusyVolumesAreCounted) {
  const CsiPublishCall call = Call(1);
  EXPECT_OK(client_->Publish(call));
  ExpectCount("publish", "mounted", "none", 1);
  EXPECT_OK(client_->Publish(call));
  ExpectCount("publish", "already_published", "none", 1);
  world_.fake.SetBusy(call.target_path, true);
  EXPECT_FALSE(client_->Unpublish(call.volume_id, call.target_path).ok());
  ExpectCount("unpublish", "failed", "busy", 1);
  world_.fake.SetBusy(call.target_path, false);
  EXPECT_OK(client_->Unpublish(call.volume_id, call.target_path));
  ExpectCount("unpublish", "unpublished", "none", 1);
  EXPECT_FALSE(client_->Unpublish("", "/t").ok());
  ExpectCount("unpublish", "refused", "invalid", 1);
  EXPECT_THAT(metrics_->metrics().Render(),
              HasSubstr("oneagent_csi_publish_duration_seconds_count{result="
                        "\"mounted\"} 1\n"));
}

TEST_F(ServicesMetricsTest, CallsWithoutATurnAreCounted) {
  Barrier barrier;
  ArmFailpoint("node:begun", [&] { barrier.Stop(); });
  std::thread first([this] { EXPECT_OK(client_->Publish(Call(1))); });
  std::thread second([this] { EXPECT_OK(client_->Publish(Call(2))); });
  barrier.AwaitStopped(kWorkers);
  TestCsiClient hasty(socket_path_);
  hasty.SetTimeout(absl::Seconds(1));
  EXPECT_FALSE(hasty.Publish(Call(3)).ok());
  ExpectCount("publish", "not_begun", "queue", 1);
  barrier.Open();
  first.join();
  second.join();
}

// Whoever scrapes sees no pod.
TEST_F(ServicesMetricsTest, NoNameOfAPodIsShown) {
  EXPECT_OK(client_->Publish(Call(1)));
  EXPECT_FALSE(client_->Publish(App(2)).ok());
  for (const char* const name : {"pod-1", "shop", "uid", "csi-"}) {
    EXPECT_THAT(metrics_->metrics().Render(), Not(HasSubstr(name)));
  }
}

}  // namespace
}  // namespace oneagent
