// The two CSI services over a real socket, on a real index and a mounter in
// memory.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/mutex.h"
#include "csi/identity_service.h"
#include "csi/listening_socket.h"
#include "csi/node_service.h"
#include "csi/server.h"
#include "csi/volume_stats.h"
#include "csi/work_queue.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/csi_client.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/csi/volume_world.h"

namespace oneagent {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int kWorkers = 2;

// Where calls stop until they are let go.
class Barrier {
 public:
  void Stop() {
    MutexLock lock(mu_);
    ++stopped_;
    cv_.NotifyAll();
    while (!open_) cv_.Wait(mu_);
  }
  void AwaitStopped(int count) {
    MutexLock lock(mu_);
    while (stopped_ < count) cv_.Wait(mu_);
  }
  void Open() {
    MutexLock lock(mu_);
    open_ = true;
    cv_.NotifyAll();
  }

 private:
  Mutex mu_;
  CondVar cv_;
  int stopped_ ABSL_GUARDED_BY(mu_) = 0;
  bool open_ ABSL_GUARDED_BY(mu_) = false;
};

class ServicesTest : public testing::Test {
 protected:
  ServicesTest()
      : log_file_(fopen(world_.dir.Path("log").c_str(), "ae")),
        log_({.component = "mounter",
              .level = LogLevel::kDebug,
              .fd = fileno(log_file_)},
             system_clock_),
        stats_({}, world_.layout, *world_.index, world_.fake, *world_.targets,
               world_.clock),
        queue_(std::make_unique<WorkQueue>(kWorkers)),
        stats_queue_(std::make_unique<WorkQueue>(1)) {}

  void SetUp() override {
    std::vector<GrpcService> services;
    services.push_back(NewIdentityService(log_));
    services.push_back(NewNodeService({.node_id = "node-1",
                                       .publisher = *world_.publisher,
                                       .stats = stats_,
                                       .volume_queue = *queue_,
                                       .stats_queue = *stats_queue_,
                                       .log = log_}));
    server_ = std::make_unique<Server>(std::move(services));
    ASSERT_OK(server_->Start());
    ASSERT_OK_AND_ASSIGN(auto socket, ListeningSocket::Open(socket_path_));
    server_->Listen(std::move(socket));
    client_ = std::make_unique<TestCsiClient>(socket_path_);
  }

  void TearDown() override {
    DisarmFailpoints();
    client_.reset();
    server_->StopAccepting();
    queue_->Drain();
    stats_queue_->Drain();
    server_.reset();
    fclose(log_file_);
  }

  CsiPod Pod(int pod) const {
    return {.name = absl::StrCat("pod-", pod),
            .namespace_name = "shop",
            .uid = world_.PodUid(pod)};
  }
  // As kubelet calls for a volume of pod number `pod`.
  CsiPublishCall Call(int pod, std::map<std::string, std::string> attributes = {
                                   {"mode", "host"}, {"dynakube", "dk"}}) {
    CsiPublishCall call =
        KubeletPublishCall(world_.kubelet, Pod(pod), "oneagent", attributes);
    MakeKubeletDirs(call.target_path);
    return call;
  }
  std::string Log() { return ReadTestFile(world_.dir.Path("log")); }

  VolumeWorld world_;
  const std::string socket_path_ = world_.dir.Path("csi.sock");
  SystemClock system_clock_;
  FILE* const log_file_;
  const class Log log_;
  VolumeStats stats_;
  std::unique_ptr<WorkQueue> queue_;
  std::unique_ptr<WorkQueue> stats_queue_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<TestCsiClient> client_;
};

TEST_F(ServicesTest, IdentityNamesTheDriverAndIsReady) {
  ASSERT_OK_AND_ASSIGN(const CsiPluginInfo info, client_->GetPluginInfo());
  EXPECT_EQ(info.name, "csi.oneagent.dynatrace.com");
  EXPECT_EQ(info.vendor_version, ONEAGENT_VERSION);
  EXPECT_THAT(client_->CountPluginCapabilities(), IsOkAndHolds(0));
  EXPECT_THAT(client_->Probe(), IsOkAndHolds(true));
}

TEST_F(ServicesTest, NodeNamesItselfAndWhatItCan) {
  EXPECT_THAT(client_->GetNodeId(), IsOkAndHolds("node-1"));
  EXPECT_THAT(
      client_->GetNodeCapabilities(),
      IsOkAndHolds(ElementsAre("GET_VOLUME_STATS", "VOLUME_CONDITION")));
}

TEST_F(ServicesTest, WhatIsNotServedSaysSo) {
  EXPECT_THAT(client_->Stage("v"),
              StatusIs(absl::StatusCode::kUnimplemented,
                       "NodeStageVolume is not implemented by this driver"));
  EXPECT_THAT(client_->Unstage("v"),
              StatusIs(absl::StatusCode::kUnimplemented));
  EXPECT_THAT(client_->Expand("v"), StatusIs(absl::StatusCode::kUnimplemented));
}

TEST_F(ServicesTest, PublishesAndUnpublishesTwiceEach) {
  const CsiPublishCall call = Call(1);
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(client_->Publish(call));
    EXPECT_THAT(world_.fake.MountedPaths(), ElementsAre(call.target_path));
  }
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(client_->Unpublish(call.volume_id, call.target_path));
    EXPECT_THAT(world_.fake.MountedPaths(), IsEmpty());
  }
}

TEST_F(ServicesTest, KubeletsConnectionPerCallWorks) {
  TestCsiClient kubelet(socket_path_, TestCsiClient::Connections::kOnePerCall);
  const CsiPublishCall call = Call(1);
  for (int i = 0; i < 10; ++i) {
    ASSERT_OK(kubelet.GetNodeCapabilities());
    ASSERT_OK(kubelet.Publish(call));
    ASSERT_OK(kubelet.Unpublish(call.volume_id, call.target_path));
  }
}

TEST_F(ServicesTest, InvalidRequestsAreAnsweredWithTheKnownTexts) {
  using Capability = CsiPublishCall::Capability;
  const auto with = [this](auto change) {
    CsiPublishCall call = Call(1);
    change(call);
    return call;
  };
  const struct {
    const char* want;
    CsiPublishCall call;
  } kCases[] = {
      {"Volume ID missing in request",
       with([](auto& call) { call.volume_id = ""; })},
      {"Target path missing in request",
       with([](auto& call) { call.target_path = ""; })},
      {"Volume capability missing in request",
       with([](auto& call) { call.capability = Capability::kMissing; })},
      {"cannot have block access type",
       with([](auto& call) { call.capability = Capability::kBlock; })},
      {"expecting to have mount access type",
       with([](auto& call) { call.capability = Capability::kNeither; })},
      {"Publish context missing in request",
       with([](auto& call) { call.context.clear(); })},
      {"No Pod Name included in request", with([](auto& call) {
         call.context.erase("csi.storage.k8s.io/pod.name");
       })},
      {"No Pod Namespace included in request", with([](auto& call) {
         call.context.erase("csi.storage.k8s.io/pod.namespace");
       })},
      {"No mode attribute included in request",
       with([](auto& call) { call.context.erase("mode"); })},
      {"No dynakube attribute included in request",
       with([](auto& call) { call.context.erase("dynakube"); })},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(client_->Publish(test.call),
                StatusIs(absl::StatusCode::kInvalidArgument, test.want));
  }
  EXPECT_THAT(client_->Unpublish("", "/t"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "Volume ID missing in request"));
  EXPECT_THAT(client_->Unpublish("v", ""),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "Target path missing in request"));
  EXPECT_THAT(world_.fake.Calls(), IsEmpty());
}

TEST_F(ServicesTest, TwoHundredPublishesAtOnceAllSucceedTwoAtATime) {
  constexpr int kPods = 200;
  std::atomic<int> at_work{0};
  std::atomic<int> most{0};
  ArmFailpoint("node:begun", [&] { ++at_work; });
  world_.fake.OnCall(FakeMounter::Verb::kBindStorage, [&](const MountTarget&) {
    int seen = most;
    while (at_work > seen && !most.compare_exchange_weak(seen, at_work)) {
    }
    --at_work;
  });
  std::vector<CsiPublishCall> calls;
  for (int pod = 0; pod < kPods; ++pod) calls.push_back(Call(pod));
  std::vector<absl::Status> results(kPods);
  std::vector<std::thread> threads;
  for (size_t pod = 0; pod < kPods; ++pod) {
    threads.emplace_back(
        [&, pod] { results[pod] = client_->Publish(calls[pod]); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& result : results) EXPECT_OK(result);
  EXPECT_EQ(world_.fake.MountedPaths().size(), size_t{kPods});
  EXPECT_LE(most, kWorkers);
}

TEST_F(ServicesTest, ProbeIsAnsweredWhileEveryWorkerIsStuck) {
  Barrier barrier;
  ArmFailpoint("node:begun", [&] { barrier.Stop(); });
  std::vector<std::thread> stuck;
  for (int pod = 0; pod < 5; ++pod) {
    stuck.emplace_back(
        [this, call = Call(pod)] { EXPECT_OK(client_->Publish(call)); });
  }
  barrier.AwaitStopped(kWorkers);
  EXPECT_THAT(client_->Probe(), IsOkAndHolds(true));
  EXPECT_OK(client_->GetNodeCapabilities());
  barrier.Open();
  for (std::thread& thread : stuck) thread.join();
}

TEST_F(ServicesTest, WhatFindsNoTurnInTimeIsToldSoBeforeItsDeadline) {
  Barrier barrier;
  ArmFailpoint("node:begun", [&] { barrier.Stop(); });
  std::vector<std::thread> stuck;
  for (int pod = 0; pod < kWorkers; ++pod) {
    stuck.emplace_back(
        [this, call = Call(pod)] { EXPECT_OK(client_->Publish(call)); });
  }
  barrier.AwaitStopped(kWorkers);
  TestCsiClient hasty(socket_path_);
  hasty.SetTimeout(absl::Seconds(1));
  EXPECT_THAT(hasty.Publish(Call(7)),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("no turn within the deadline"),
                             HasSubstr("2 volume operations at work"))));
  barrier.Open();
  for (std::thread& thread : stuck) thread.join();
  EXPECT_THAT(world_.fake.MountedPaths(), Not(Contains(Call(7).target_path)));
}

TEST_F(ServicesTest, WorkThatHasBegunIsFinishedThoughItsCallerIsGone) {
  Barrier barrier;
  ArmFailpoint("node:begun", [&] { barrier.Stop(); });
  const CsiPublishCall call = Call(1);
  TestCsiClient hasty(socket_path_);
  hasty.SetTimeout(absl::Milliseconds(200));
  EXPECT_THAT(hasty.Publish(call),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  barrier.AwaitStopped(1);
  barrier.Open();
  queue_->Drain();
  EXPECT_THAT(world_.fake.MountedPaths(), ElementsAre(call.target_path));
}

TEST_F(ServicesTest, RetryOfAVolumeAtWorkWaitsForIt) {
  Barrier barrier;
  ArmFailpoint("node:begun", [&] { barrier.Stop(); });
  const CsiPublishCall call = Call(1);
  std::thread first([&] { EXPECT_OK(client_->Publish(call)); });
  barrier.AwaitStopped(1);
  std::thread second([&] { EXPECT_OK(client_->Publish(call)); });
  while (queue_->waiting() < 1) std::this_thread::yield();
  EXPECT_EQ(queue_->running(), 1);
  barrier.Open();
  first.join();
  second.join();
  EXPECT_EQ(world_.fake.MountsAt(call.target_path).size(), 1u);
}

TEST_F(ServicesTest, WhileDrainingNewWorkIsPutOff) {
  queue_->Drain();
  EXPECT_THAT(
      client_->Publish(Call(1)),
      StatusIs(absl::StatusCode::kUnavailable, "mounter is shutting down"));
  EXPECT_THAT(client_->Probe(), IsOkAndHolds(true));
}

TEST_F(ServicesTest, CallWithoutDeadlineIsServed) {
  client_->SetTimeout(absl::InfiniteDuration());
  EXPECT_OK(client_->Publish(Call(1)));
}

TEST_F(ServicesTest, LogNamesWhatOperatorsNeedAndNothingElse) {
  CsiPublishCall call = Call(1);
  call.context["csi.storage.k8s.io/serviceAccount.tokens"] = "SECRET-token";
  call.context["conf.general.apikey"] = "SECRET-conf";
  call.context["whatever"] = "SECRET-attribute";
  call.secrets["password"] = "SECRET-secret";
  ASSERT_OK(client_->Publish(call));
  ASSERT_OK(client_->Unpublish(call.volume_id, call.target_path));
  call.context.erase("mode");
  ASSERT_FALSE(client_->Publish(call).ok());
  const std::string log = Log();
  EXPECT_THAT(log, Not(HasSubstr("SECRET")));
  for (const std::string& want :
       {absl::StrCat("INFO mounter NodePublishVolume volume=", call.volume_id,
                     " target=", call.target_path,
                     " pod=pod-1 namespace=shop dynakube=dk mode=host "
                     "outcome=mounted duration="),
        absl::StrCat("INFO mounter NodeUnpublishVolume volume=", call.volume_id,
                     " target=", call.target_path, " outcome=unpublished"),
        std::string("WARN"),
        std::string("code=INVALID_ARGUMENT error=\"No "
                    "mode attribute included")}) {
    EXPECT_THAT(log, HasSubstr(want));
  }
}

TEST_F(ServicesTest, ProbesAreLoggedForDebuggingOnly) {
  ASSERT_OK(client_->Probe());
  ASSERT_OK(client_->GetNodeCapabilities());
  EXPECT_THAT(Log(), AllOf(HasSubstr("DEBUG mounter Probe"),
                           HasSubstr("DEBUG mounter NodeGetCapabilities"),
                           Not(HasSubstr("INFO"))));
}

TEST_F(ServicesTest, LongHostileValuesAreCutInTheLogAndInTheAnswer) {
  CsiPublishCall call = Call(1);
  call.volume_id = std::string(1 << 20, 'v');
  const absl::Status status = client_->Publish(call);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_LT(status.message().size(), 1100u);
  EXPECT_LT(Log().size(), 4000u);
}

TEST_F(ServicesTest, MessageOfMoreThanFourMebibytesIsRefused) {
  CsiPublishCall call = Call(1);
  call.context["whatever"] = std::string(5 << 20, 'x');
  EXPECT_THAT(client_->Publish(call),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(client_->Probe(), IsOkAndHolds(true));
}

TEST_F(ServicesTest, GarbageOnTheSocketHarmsNobody) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_path_.data(), socket_path_.size());
  for (const std::string& garbage :
       {std::string("GET / HTTP/1.1\r\n\r\n"), std::string(100'000, '\xff'),
        std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") +
            std::string(64, '\xff'),
        std::string()}) {
    const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                      sizeof(address)),
              0);
    (void)send(fd.get(), garbage.data(), garbage.size(), MSG_NOSIGNAL);
  }
  EXPECT_THAT(client_->Probe(), IsOkAndHolds(true));
}

TEST_F(ServicesTest, StatsOfWhatIsNotThereAreRefused) {
  const CsiPublishCall call = Call(1);
  ASSERT_OK(client_->Publish(call));
  const struct {
    std::string id;
    std::string path;
    absl::StatusCode want;
  } kCases[] = {
      {"", call.target_path, absl::StatusCode::kInvalidArgument},
      {call.volume_id, "", absl::StatusCode::kInvalidArgument},
      {"fake-vol-id-0a1b2c3d-4", "some/path", absl::StatusCode::kNotFound},
      {call.volume_id, "some/path", absl::StatusCode::kNotFound},
      {call.volume_id, call.target_path + "/x", absl::StatusCode::kNotFound},
      {"../" + call.volume_id, call.target_path, absl::StatusCode::kNotFound},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(client_->GetVolumeStats(test.id, test.path),
                StatusIs(test.want));
  }
}

TEST_F(ServicesTest, StatsOfAMountedVolume) {
  const CsiPublishCall call = Call(1);
  ASSERT_OK(client_->Publish(call));
  ASSERT_OK_AND_ASSIGN(
      const CsiVolumeStats stats,
      client_->GetVolumeStats(call.volume_id, call.target_path));
  EXPECT_EQ(stats.bytes.used, 0);
  EXPECT_GT(stats.bytes.total, 0);
  EXPECT_GE(stats.bytes.available, 0);
  EXPECT_FALSE(stats.is_abnormal);
  EXPECT_EQ(stats.condition, "agent volume is mounted");
}

TEST_F(ServicesTest, EmptyVolumeIsAbnormalAndSaysWhy) {
  const CsiPublishCall call = Call(
      1, {{"mode", "app"}, {"dynakube", "nobody"}, {"retryTimeout", "0s"}});
  ASSERT_OK(client_->Publish(call));
  ASSERT_OK_AND_ASSIGN(
      const CsiVolumeStats stats,
      client_->GetVolumeStats(call.volume_id, call.target_path));
  EXPECT_TRUE(stats.is_abnormal);
  EXPECT_THAT(stats.condition,
              AllOf(HasSubstr("no agent was injected: "), HasSubstr("nobody")));
  EXPECT_THAT(Log(), HasSubstr("outcome=empty"));
}

}  // namespace
}  // namespace oneagent
