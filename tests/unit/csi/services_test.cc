// Who is answered, when, and with what.
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "base/failpoint.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/csi_client.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/csi/services_fixture.h"

namespace oneagent {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

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
  // Its retryTimeout has run meanwhile.
  world_.fake.FailAlways(FakeMounter::Verb::kBindStorage,
                         absl::InternalError("bind: bad"));
  EXPECT_OK(client_->Publish(Call(
      7, {{"mode", "host"}, {"dynakube", "dk"}, {"retryTimeout", "1ms"}})));
  EXPECT_THAT(Log(), HasSubstr("outcome=empty"));
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

}  // namespace
}  // namespace oneagent
