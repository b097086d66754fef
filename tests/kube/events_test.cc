// Events on pods and DynaKubes, and the startup taint, at a real API server and
// with the provisioner's own account: written from notices, read with kubectl.
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "cache/index/index.h"
#include "cache/kube/api_client.h"
#include "cache/kube/event_sink.h"
#include "cache/kube/node_taint.h"
#include "cache/provisioner/event_courier.h"
#include "tests/kube/kube_fixture.h"
#include "tests/support/fake_clock.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

constexpr char kNode[] = "node-1";

// Keeps the errors.
class ErrorObserver final : public CacheObserver {
 public:
  void OnError(Chore, absl::string_view, const absl::Status& status) override {
    errors.push_back(std::string(status.message()));
  }
  void OnProgress(TransferPhase, absl::string_view, int64_t, int64_t) override {
  }

  std::vector<std::string> errors;
};

class EventsTest : public KubeTest {
 protected:
  EventsTest() {
    clock_.Set(absl::Now());
    auto index = Index::Open({.data_dir = dir_.MakeDir("data")});
    EXPECT_OK(index.status());
    index_ = *std::move(index);
    auto client = ApiClient::Open(
        {.server = server().url(),
         .namespace_name = kOwnNamespace,
         .ca = {.file = server().ca_path(), .text = ""},
         .tls_server_name = "",
         .skip_cert_check = false,
         .token = server().CreateToken(kOwnNamespace, kProvisionerAccount),
         .token_file = "",
         .client_certificate = {},
         .client_key = {}},
        "oneagent-csi/test");
    EXPECT_OK(client.status());
    client_ = *std::move(client);
    sink_ = std::make_unique<ApiEventSink>(*client_, kNode);
    Restart();
  }

  void Restart() {
    courier_ = std::make_unique<EventCourier>(
        EventCourier::Parts{.index = *index_,
                            .sink = *sink_,
                            .observer = observer_,
                            .clock = clock_});
  }
  // What the mounter leaves when it publishes this pod's volume empty.
  void Notice(const std::string& pod, const std::string& uid,
              const std::string& namespace_name = kPodNamespace) {
    VolumeRow row;
    row.id = "csi-" + pod;
    row.pod = pod;
    row.namespace_name = namespace_name;
    row.pod_uid = uid;
    row.dynakube = "demo";
    row.target = "/t";
    row.boot_id = "boot";
    row.reason = "no such DynaKube";
    ASSERT_OK(index_->MarkEmpty(row, clock_.Now()));
    ASSERT_OK(index_->ReleaseLease(row.id, clock_.Now()));
  }
  void RunOnce() { courier_->RunOnce(clock_.Now()); }
  // Sooner or later, at the pace of failures.
  void ExpectDelivered(const std::string& uid) {
    EXPECT_TRUE(WaitUntil([this] {
      clock_.Advance(absl::Minutes(1));
      RunOnce();
      return Notices() == 0;
    })) << testing::PrintToString(observer_.errors);
    EXPECT_THAT(Events("{.items[*].regarding.uid}"), HasSubstr(uid));
  }
  size_t Notices() { return index_->ListNotices()->size(); }
  static std::string Events(const std::string& jsonpath) {
    return Get("events.events.k8s.io", kPodNamespace, jsonpath);
  }

  TempDir dir_;
  FakeClock clock_;
  ErrorObserver observer_;
  std::unique_ptr<Index> index_;
  std::unique_ptr<ApiClient> client_;
  std::unique_ptr<ApiEventSink> sink_;
  std::unique_ptr<EventCourier> courier_;
};

TEST_F(EventsTest, DescribeShowsWhyAPodHasNoAgent) {
  MakePod("cart");
  Notice("cart", UidOf("pod", "cart", kPodNamespace));
  RunOnce();
  EXPECT_EQ(Notices(), 0u) << testing::PrintToString(observer_.errors);
  EXPECT_THAT(Describe("pod", "cart", kPodNamespace),
              AllOf(HasSubstr("Warning"), HasSubstr("AgentNotInjected"),
                    HasSubstr("csi.oneagent.dynatrace.com"),
                    HasSubstr("csi-cart was published empty: no such "
                              "DynaKube")));
}

TEST_F(EventsTest, APodThatIsGoneHasItsEventAllTheSame) {
  MakePod("gone");
  const std::string uid = UidOf("pod", "gone", kPodNamespace);
  server().MustKubectl({"delete", "pod", "gone", "-n", kPodNamespace, "--force",
                        "--grace-period=0"});
  Notice("gone", uid);
  RunOnce();
  EXPECT_EQ(Notices(), 0u);
  EXPECT_THAT(Events("{.items[*].regarding.uid}"), HasSubstr(uid));
}

TEST_F(EventsTest, TheSameNoticeTwiceIsOneEvent) {
  Notice("twice", "uid-twice");
  const KubeEvent event = EventOf(index_->ListNotices()->at(0));
  // As if the process had died before it deleted the notice.
  EXPECT_EQ(sink_->Create(event, 1, event.at).kind, EventAnswer::Kind::kTaken);
  RunOnce();
  EXPECT_EQ(Notices(), 0u) << testing::PrintToString(observer_.errors);
  EXPECT_EQ(Events("{.items[?(@.regarding.uid==\"uid-twice\")].metadata.name}"),
            EventName(event));
}

TEST_F(EventsTest, TheSameAgainIsASeries) {
  for (int i = 0; i < 3; ++i) {
    Notice("again", "uid-again");
    clock_.Advance(absl::Seconds(1));
    RunOnce();
  }
  const std::string counts =
      "{.items[?(@.regarding.uid==\"uid-again\")].series.count}";
  EXPECT_EQ(Events(counts), "2");
  clock_.Advance(absl::Minutes(11));
  RunOnce();
  EXPECT_EQ(Events(counts), "3") << testing::PrintToString(observer_.errors);
}

TEST_F(EventsTest, NamespacesThatAreGoneOrGoingTakeNoEventAndHoldUpNone) {
  server().CreateNamespace("going");
  // Nothing here would finish it.
  server().MustKubectl({"delete", "namespace", "going", "--wait=false"});
  Notice("a", "uid-a", "going");
  Notice("b", "uid-b", "never-there");
  Notice("c", "uid-c", "../../../api");
  Notice("d", "uid-d");
  RunOnce();
  EXPECT_EQ(Notices(), 0u);
  EXPECT_THAT(observer_.errors, SizeIs(3));
  EXPECT_THAT(observer_.errors, Contains(HasSubstr("being terminated")));
  EXPECT_THAT(observer_.errors, Contains(HasSubstr("never-there")));
  EXPECT_THAT(Events("{.items[*].regarding.uid}"), HasSubstr("uid-d"));
}

TEST_F(EventsTest, WithoutTheRuleTheyWaitAndTheErrorNamesIt) {
  server().MustKubectl({"delete", "clusterrolebinding", "oneagent-csi-events"});
  Notice("e", "uid-e");
  ASSERT_TRUE(WaitUntil([this] {  // roles are caught up with in a moment
    observer_.errors.clear();
    clock_.Advance(EventCourier::kLongestPause);
    Restart();
    if (Notices() == 0) Notice("e", "uid-e");
    RunOnce();
    return Notices() == 1;
  }));
  EXPECT_THAT(observer_.errors,
              Contains(AllOf(HasSubstr("create events in namespace shop"),
                             HasSubstr("events.k8s.io"),
                             HasSubstr("verbs: [\"create\"]"))));
  ApplyManifest("../chart/golden/rbac.yaml");
  ExpectDelivered("uid-e");
}

TEST_F(EventsTest, WithTheServerAwayTheyWait) {
  server().KillApiServer();
  Notice("f", "uid-f");
  RunOnce();
  EXPECT_EQ(Notices(), 1u);
  EXPECT_THAT(observer_.errors, SizeIs(1));
  server().StartApiServer();
  ExpectDelivered("uid-f");
}

TEST_F(EventsTest, DescribeShowsWhatBefellADynaKube) {
  server().Apply(
      "apiVersion: dynatrace.com/v1beta6\nkind: DynaKube\n"
      "metadata: {name: demo, namespace: dynatrace}\nspec: {}\n");
  courier_->Post(
      {.occurrence = "1",
       .regarding = {.api_version = "dynatrace.com/v1beta6",
                     .kind = "DynaKube",
                     .namespace_name = kOwnNamespace,
                     .name = "demo",
                     .uid = UidOf("dynakube", "demo", kOwnNamespace)},
       .type = EventType::kNormal,
       .reason = "AgentInstalled",
       .action = "Install",
       .note = "node node-1: new pods get version 1.2.3",
       .at = clock_.Now()});
  RunOnce();
  EXPECT_THAT(Describe("dynakube", "demo", kOwnNamespace),
              AllOf(HasSubstr("AgentInstalled"),
                    HasSubstr("new pods get version 1.2.3")))
      << testing::PrintToString(observer_.errors);
}

// ---- The startup taint

class TaintTest : public EventsTest {
 protected:
  TaintTest() {
    server().Apply(
        absl::StrCat("apiVersion: v1\nkind: Node\nmetadata: {name: ", kNode,
                     "}\nspec:\n  taints:\n  - {key: a, effect: NoSchedule}\n"
                     "  - {key: agent/not-ready, effect: NoSchedule}\n"
                     "  - {key: b, effect: NoSchedule}\n"
                     "  - {key: agent/not-ready, effect: NoExecute}\n"));
  }
  ~TaintTest() override { server().MustKubectl({"delete", "node", kNode}); }
  static std::string Taints() {
    return server().MustKubectl(
        {"get", "node", kNode, "-o", "jsonpath={.spec.taints[*].key}"});
  }
};

TEST_F(TaintTest, OnlyItGoesAndOnlyWithTheRule) {
  EXPECT_THAT(RemoveTaint(*client_, kNode, "agent/not-ready"),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       HasSubstr("resources: [\"nodes\"]")));
  ApplyManifest("../chart/golden/rbac_taint.yaml");
  EXPECT_TRUE(WaitUntil(
      [this] { return RemoveTaint(*client_, kNode, "agent/not-ready").ok(); }));
  // What the server itself adds may be there.
  EXPECT_THAT(Taints(), AllOf(HasSubstr("a b"), Not(HasSubstr("agent/"))));
  EXPECT_OK(RemoveTaint(*client_, kNode, "agent/not-ready"));
  EXPECT_THAT(RemoveTaint(*client_, "node-2", "a"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(TaintTest, ARaceWithSomebodyElseTakesNothingElseAway) {
  const std::string node =
      server().MustKubectl({"get", "--raw", "/api/v1/nodes/node-1"});
  ASSERT_OK_AND_ASSIGN(const std::string patch,
                       TaintRemovalPatch(node, "agent/not-ready"));
  // Another one is faster, and what comes after it moves.
  server().MustKubectl({"taint", "node", kNode, "a:NoSchedule-"});
  const std::string before = Taints();
  const ProgramResult result =
      server().Kubectl({"patch", "node", kNode, "--type=json", "-p", patch});
  EXPECT_NE(result.exit_code, 0);
  EXPECT_EQ(Taints(), before);
}

}  // namespace
}  // namespace oneagent
