// What reconciles say about DynaKubes.
#include "cache/provisioner/event_observer.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/provisioner/node_fixture.h"

namespace oneagent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class EventObserverTest : public NodeFixture {
 protected:
  EventObserverTest()
      : events_([this](KubeEvent event) { posted_.push_back(event); }, clock_,
                "node-1") {}

  static ReconcileReport Report(TenantState state, const std::string& reason) {
    ReconcileReport report;
    report.row.dynakube = "prod";
    report.row.namespace_name = "dynatrace";
    report.row.state = state;
    report.row.reason = reason;
    report.row.version = kOne;
    report.dynakube = {.uid = "uid-1", .api_version = "dynatrace.com/v1beta6"};
    return report;
  }
  // "reason: note" of what was posted since.
  std::vector<std::string> Posted() {
    std::vector<std::string> lines;
    for (const KubeEvent& event : std::exchange(posted_, {})) {
      lines.push_back(absl::StrCat(event.reason, ": ", event.note));
    }
    return lines;
  }

  EventObserver events_;
  std::vector<KubeEvent> posted_;
};

TEST_F(EventObserverTest, ASwitchIsToldOnTheDynaKube) {
  ReconcileReport report = Report(TenantState::kReady, "");
  report.switched = true;
  events_.OnReconciled(report);
  ASSERT_THAT(posted_, SizeIs(1));
  EXPECT_EQ(posted_[0].regarding,
            (EventSubject{.api_version = "dynatrace.com/v1beta6",
                          .kind = "DynaKube",
                          .namespace_name = "dynatrace",
                          .name = "prod",
                          .uid = "uid-1"}));
  EXPECT_EQ(posted_[0].type, EventType::kNormal);
  EXPECT_THAT(Posted(),
              ElementsAre(absl::StrCat(
                  "AgentInstalled: node node-1: new pods get version ", kOne)));
  // The regular look is no news.
  events_.OnReconciled(Report(TenantState::kReady, ""));
  EXPECT_THAT(Posted(), IsEmpty());
}

TEST_F(EventObserverTest, AFailureIsToldEachTimeAndAWaitTheSecondTime) {
  events_.OnReconciled(Report(TenantState::kFailed, "no route"));
  events_.OnReconciled(Report(TenantState::kFailed, "no route"));
  EXPECT_THAT(Posted(),
              ElementsAre("AgentInstallFailed: node node-1: no route",
                          "AgentInstallFailed: node node-1: no route"));
  events_.OnReconciled(Report(TenantState::kWaiting, "Secret x: not found"));
  events_.OnReconciled(Report(TenantState::kWaiting, "Secret y: not found"));
  EXPECT_THAT(Posted(), IsEmpty());
  events_.OnReconciled(Report(TenantState::kWaiting, "Secret y: not found"));
  EXPECT_THAT(Posted(),
              ElementsAre("AgentInstallFailed: node node-1: Secret y: not "
                          "found"));
  events_.OnDeleted("prod");
  events_.OnReconciled(Report(TenantState::kWaiting, "Secret y: not found"));
  EXPECT_THAT(Posted(), IsEmpty());
}

TEST_F(EventObserverTest, NothingIsToldOfWhatHasNoUidOrDidNotFail) {
  ReconcileReport report = Report(TenantState::kFailed, "no route");
  report.dynakube.uid.clear();
  events_.OnReconciled(report);
  report = Report(TenantState::kFailed, "ended");
  report.cancelled = true;
  events_.OnReconciled(report);
  report = Report(TenantState::kWaiting, "another is at it");
  report.pending = true;
  events_.OnReconciled(report);
  events_.OnReconciled(report);
  EXPECT_THAT(Posted(), IsEmpty());
}

TEST_F(EventObserverTest, TheReconcileSaysWhatSwitchedAndWhoseItIs) {
  PutManifest(
      "prod.yaml",
      absl::StrCat("apiVersion: dynatrace.com/v1beta6\nkind: DynaKube\n"
                   "metadata: {name: prod, namespace: dt, uid: uid-7}\n"
                   "spec:\n  apiUrl: ",
                   server_.api_url(),
                   "\n  tokens: prod\n  oneAgent: {cloudNativeFullStack: {}}\n"
                   "---\napiVersion: v1\nkind: Secret\n"
                   "metadata: {name: prod, namespace: dt}\n"
                   "stringData: {apiToken: ",
                   kTenantApiToken, "}\n"));
  Settle();
  const std::vector<ReconcileReport> first = observer_.Reports();
  ASSERT_FALSE(first.empty());
  EXPECT_EQ(first.back().dynakube.uid, "uid-7");
  EXPECT_EQ(first.back().dynakube.api_version, "dynatrace.com/v1beta6");
  EXPECT_TRUE(first.back().switched) << first.back().row.reason;
  EXPECT_TRUE(node_->scheduler.IsFirstAgentReady());
  clock_.Advance(absl::Minutes(5));
  node_->scheduler.WaitUntilSettled(clock_.Now());
  const std::vector<ReconcileReport> again = observer_.Reports();
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_FALSE(again[0].switched);
}

}  // namespace
}  // namespace oneagent
