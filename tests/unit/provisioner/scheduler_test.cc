// When what happens: due times, lists, deletions, collections, restarts.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/mutex.h"
#include "base/unique_fd.h"
#include "cache/index/records.h"
#include "cache/provisioner/fresh_node.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/provisioner/node_fixture.h"

namespace oneagent {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

// Once and for all.
class Notification {
 public:
  void Notify() {
    MutexLock lock(mu_);
    notified_ = true;
    changed_.NotifyAll();
  }
  bool IsNotified() {
    MutexLock lock(mu_);
    return notified_;
  }
  void Wait() {
    MutexLock lock(mu_);
    while (!notified_) changed_.Wait(mu_);
  }

 private:
  Mutex mu_;
  CondVar changed_;
  bool notified_ ABSL_GUARDED_BY(mu_) = false;
};

class SchedulerTest : public NodeFixture {
 protected:
  // Reconciles that run when the clock has moved on by `by`.
  size_t ReconcilesAfter(absl::Duration by) {
    observer_.Reports();
    clock_.Advance(by);
    node_->scheduler.WaitUntilSettled(clock_.Now());
    return observer_.Reports().size();
  }
  bool IsReady(const std::string& dynakube) {
    const auto row = node_->index->GetTenant(dynakube);
    EXPECT_OK(row);
    return row.ok() && row->has_value() && (*row)->state == TenantState::kReady;
  }
  // As the daemon does, until it has come to that.
  void RunUntil(absl::Time end, const std::function<bool()>& is_done) {
    while (!is_done()) {
      ASSERT_LT(absl::Now(), end);
      node_->scheduler.RunOnce(clock_.Now());
      node_->source->WaitForChange(absl::Milliseconds(200));
    }
  }
  // A volume of this DynaKube, as the mounter leases it.
  void Lease(const std::string& volume, const std::string& dynakube) {
    VolumeRow row;
    row.id = volume;
    row.pod = "pod";
    row.namespace_name = "ns";
    row.pod_uid = "uid";
    row.dynakube = dynakube;
    row.target = "/t";
    row.boot_id = kNodeBootId;
    ASSERT_OK(node_->index->AcquireLease({.volume = row, .now = clock_.Now()}));
  }
  void Collect() {
    observer_.Events();
    node_->scheduler.Collect();
  }
};

TEST_F(SchedulerTest, AReadyDynaKubeIsLookedAtEveryFiveMinutes) {
  PutDynaKube("prod");
  Settle();
  EXPECT_EQ(ReconcilesAfter(absl::Seconds(299)), 0u);
  EXPECT_EQ(ReconcilesAfter(absl::Seconds(1)), 1u);
  EXPECT_EQ(ReconcilesAfter(absl::Seconds(299)), 0u);
}

TEST_F(SchedulerTest, AReadyOneLaterWhenItsApiIsToBeSpared) {
  PutDynaKube("prod", "", "  dynatraceApiRequestThreshold: 15\n");
  Settle();
  EXPECT_EQ(ReconcilesAfter(absl::Seconds(15 * 60 - 1)), 0u);
  EXPECT_EQ(ReconcilesAfter(absl::Seconds(1)), 1u);
  // It is not a way to look more often.
  PutDynaKube("prod", "", "  dynatraceApiRequestThreshold: 1\n");
  Settle();  // a change is acted on at once
  EXPECT_EQ(ReconcilesAfter(absl::Seconds(299)), 0u);
}

TEST_F(SchedulerTest, AWaitingOneEveryMinute) {
  PutDynaKube("prod", "", "  tokens: later\n");
  Settle();
  EXPECT_EQ(ReconcilesAfter(absl::Seconds(59)), 0u);
  EXPECT_EQ(ReconcilesAfter(absl::Seconds(1)), 1u);
}

TEST_F(SchedulerTest, AFailedOneAfterAGrowingDelay) {
  PutDynaKube("prod", "version: 1.999.0.1-1");
  Settle();
  for (const int seconds : {15, 30, 60, 120, 240, 300, 300}) {
    EXPECT_EQ(ReconcilesAfter(absl::Seconds(seconds - 1)), 0u) << seconds;
    EXPECT_EQ(ReconcilesAfter(absl::Seconds(1)), 1u) << seconds;
  }
  PutDynaKube("prod", absl::StrCat("version: ", kOne));
  Settle();  // a change is acted on at once
  EXPECT_EQ(Row("prod").state, TenantState::kReady);
  PutDynaKube("prod", "version: 1.999.0.1-1");
  Settle();  // and the delay starts anew
  EXPECT_EQ(ReconcilesAfter(absl::Seconds(15)), 1u);
}

TEST_F(SchedulerTest, ABrokenNetworkIsTriedSoonerThanARefusal) {
  server_.AddFault("connectioninfo", Fault::Cut(0, /*times=*/3));
  PutDynaKube("prod");
  Settle();
  EXPECT_EQ(ReconcilesAfter(absl::Seconds(1)), 1u);
  EXPECT_EQ(ReconcilesAfter(absl::Seconds(2)), 1u);
  EXPECT_EQ(Row("prod").state, TenantState::kFailed);
  EXPECT_EQ(ReconcilesAfter(absl::Seconds(4)), 1u);
  EXPECT_EQ(Row("prod").state, TenantState::kReady);
}

TEST_F(SchedulerTest, AThrottlingTenantIsLeftAloneAsLongAsItSays) {
  server_.AddFault("connectioninfo", Fault::Status(429, "600"));
  PutDynaKube("prod");
  Settle();
  EXPECT_EQ(ReconcilesAfter(absl::Seconds(599)), 0u);
  EXPECT_EQ(ReconcilesAfter(absl::Seconds(61)), 1u);
  EXPECT_EQ(Row("prod").state, TenantState::kReady);
}

TEST_F(SchedulerTest, AThrottleOfNothingStillLeavesAPause) {
  server_.AddFault("connectioninfo", Fault::Status(429, "0", /*times=*/-1));
  PutDynaKube("prod");
  Settle();
  // Half of the delay is jitter.
  for (const int milliseconds : {499, 999, 1999, 3999}) {
    EXPECT_EQ(ReconcilesAfter(absl::Milliseconds(milliseconds)), 0u);
    EXPECT_EQ(ReconcilesAfter(absl::Milliseconds(milliseconds + 2)), 1u);
  }
}

TEST_F(SchedulerTest, ATouchedObjectWakesAThrottledTenant) {
  server_.AddFault("connectioninfo", Fault::Status(429, "3600"));
  PutDynaKube("prod");
  Settle();
  // What is asked for stays the same.
  PutDynaKube("prod", "", "  customPullSecret: touched\n");
  Settle();
  EXPECT_EQ(Row("prod").state, TenantState::kReady);
}

// A socket that takes connections and answers nobody.
class BlackHole {
 public:
  BlackHole() {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(fd_.get(), any, size), 0);
    EXPECT_EQ(listen(fd_.get(), 1000), 0);
    EXPECT_EQ(getsockname(fd_.get(), any, &size), 0);
    url_ = absl::StrCat("http://127.0.0.1:", ntohs(address.sin_port), "/api");
  }
  const std::string& url() const { return url_; }

 private:
  const UniqueFd fd_{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::string url_;
};

std::string DynaKubeOf(const std::string& name, const std::string& url) {
  return absl::StrCat(
      "apiVersion: dynatrace.com/v1beta6\nkind: DynaKube\n"
      "metadata: {name: ",
      name, "}\nspec:\n  apiUrl: ", url,
      "\n  tokens: prod\n"
      "  oneAgent: {cloudNativeFullStack: {}}\n---\n");
}

TEST_F(SchedulerTest, AHundredSilentTenantsHoldUpNobodyElse) {
  const BlackHole hole;
  std::string all;
  for (int i = 0; i < 100; ++i) {
    all += DynaKubeOf(absl::StrCat("a-silent-", i), hole.url());
    all += DynaKubeOf(absl::StrCat("healthy-", i), server_.api_url());
  }
  PutManifest("all.yaml", all);
  PutDynaKube("prod");
  const absl::Time start = absl::Now();
  // A silent one is given up after 15 s: all are ready before.
  RunUntil(start + absl::Seconds(14), [this] {
    for (int i = 0; i < 100; ++i) {
      if (!IsReady(absl::StrCat("healthy-", i))) return false;
    }
    return true;
  });
  EXPECT_EQ(Downloads(), 1);
  RunUntil(start + absl::Seconds(14), [this] {
    const auto rows = node_->index->ListTenants();
    return rows.ok() && rows->size() == 201;
  });
  for (int i = 0; i < 100; ++i) {
    const TenantRow row = Row(absl::StrCat("a-silent-", i));
    EXPECT_EQ(row.state, TenantState::kWaiting);
    EXPECT_THAT(row.reason, StartsWith("connecting to "));
  }
  // One that is mended need not wait for the end of what it asked for before.
  PutManifest("all.yaml", DynaKubeOf("a-silent-0", server_.api_url()));
  node_->scheduler.ListSoon();
  RunUntil(absl::Now() + absl::Seconds(10),
           [this] { return IsReady("a-silent-0"); });
}

TEST_F(SchedulerTest, ADownloadThatDoesNotMoveGivesWay) {
  TenantApiServer stuck;
  stuck.Update([](ServedTenant& tenant) {
    tenant.agents[kOne].bytes = AgentArchive(kOne).Build(ArchiveFormat::kZip);
  });
  stuck.AddFault("/version/", Fault::Stall(/*after_bytes=*/10));
  PutManifest("stuck.yaml", DynaKubeOf("stuck", stuck.api_url()));
  PutDynaKube("prod", "version: 1.999.0.1-1");  // whose Secret both use
  node_->scheduler.RunOnce(clock_.Now());
  const absl::Time end = absl::Now() + absl::Seconds(20);
  while (stuck.CountRequests("/version/") == 0 && absl::Now() < end) {
    std::this_thread::yield();
  }
  // The same agent, from a tenant that can send it.
  PutManifest("able.yaml", DynaKubeOf("able", server_.api_url()));
  node_->scheduler.ListSoon();
  RunUntil(end, [this] {
    clock_.Advance(absl::Seconds(1));
    return IsReady("able");
  });
}

TEST_F(SchedulerTest, ANodeThatLacksAnAgentIsKnownByItsDisk) {
  EXPECT_TRUE(LacksAgents(layout_));  // nothing is known yet
  PutDynaKube("prod");
  Settle();
  EXPECT_FALSE(LacksAgents(layout_));
  PutDynaKube("waiting", "", "  tokens: later\n");
  Settle();
  EXPECT_TRUE(LacksAgents(layout_));
  RemoveManifest("waiting.yaml");
  Settle();
  EXPECT_FALSE(LacksAgents(layout_));
  ASSERT_EQ(unlink(layout_.AgentManifest(Row("prod").agent_id).c_str()), 0);
  EXPECT_TRUE(LacksAgents(layout_));
}

TEST_F(SchedulerTest, HowLongOneHasWaitedDoesNotDependOnTheWords) {
  PutDynaKube("prod", "", "  tokens: later\n");
  Settle();
  const absl::Time since = Row("prod").updated_at;
  clock_.Advance(absl::Minutes(1));
  PutDynaKube("prod", "", "  tokens: never\n");
  Settle();
  EXPECT_THAT(Row("prod").reason, HasSubstr("never"));
  EXPECT_EQ(Row("prod").updated_at, since);
}

TEST_F(SchedulerTest, AClockThatIsSetBackPutsNothingOff) {
  PutDynaKube("prod");
  Settle();
  EXPECT_EQ(ReconcilesAfter(-absl::Hours(5)), 1u);
  EXPECT_EQ(ReconcilesAfter(absl::Minutes(5)), 1u);
}

TEST_F(SchedulerTest, NothingChangedIsNoReconcile) {
  PutDynaKube("prod");
  Settle();
  observer_.Reports();
  Settle();
  EXPECT_THAT(observer_.Reports(), IsEmpty());
}

TEST_F(SchedulerTest, ATenantThatIsSlowHoldsUpNobodyElse) {
  TenantApiServer slow;
  slow.Update([](ServedTenant& tenant) {
    tenant.agents[kTwo].bytes = AgentArchive(kTwo).Build(ArchiveFormat::kZip);
  });
  slow.AddFault("/version/", Fault::Stall(/*after_bytes=*/10));
  PutManifest("slow.yaml",
              absl::StrCat("apiVersion: dynatrace.com/v1beta6\nkind: DynaKube\n"
                           "metadata: {name: slow}\nspec:\n  apiUrl: ",
                           slow.api_url(),
                           "\n  tokens: prod\n"
                           "  oneAgent: {cloudNativeFullStack: {}}\n"));
  PutDynaKube("prod");
  node_->scheduler.RunOnce(clock_.Now());
  observer_.AwaitReady("prod");
  // Its row is there before its download is asked for.
  const absl::Time end = absl::Now() + absl::Seconds(20);
  while (slow.CountRequests("/version/") == 0 && absl::Now() < end) {
    std::this_thread::yield();
  }
  EXPECT_EQ(Row("slow").state, TenantState::kWaiting);
  // Another one that comes meanwhile, too.
  PutDynaKube("later");
  node_->scheduler.ListSoon();
  node_->scheduler.RunOnce(clock_.Now());
  observer_.AwaitReady("later");
}

TEST_F(SchedulerTest, DeletionAndReturnOfADynaKube) {
  PutDynaKube("prod");
  Settle();
  const TenantRow before = Row("prod");

  RemoveManifest("prod.yaml");
  Settle();
  EXPECT_EQ(Row("prod").deleted_at, clock_.Now());
  // The row holds no agent any more, the record remembers it.
  EXPECT_EQ(Row("prod").agent_id, "");
  EXPECT_EQ(ReadTenantRecord(layout_, "prod")->agent_id, before.agent_id);
  EXPECT_THAT(observer_.Events(), ElementsAre("deleted prod"));
  ExpectConsistent();
  clock_.Advance(absl::Minutes(1));
  Settle();
  EXPECT_EQ(Row("prod").deleted_at, clock_.Now() - absl::Minutes(1));

  PutDynaKube("prod");
  Settle();
  EXPECT_EQ(Row("prod").deleted_at, absl::InfinitePast());
  EXPECT_EQ(Row("prod").state, TenantState::kReady);
  EXPECT_EQ(Row("prod").agent_id, before.agent_id);
  EXPECT_EQ(Downloads(), 1);
}

TEST_F(SchedulerTest, AReturnCountsEvenIfTheApiIsAway) {
  PutDynaKube("prod");
  Settle();
  RemoveManifest("prod.yaml");
  Settle();
  server_.AddFault("/", Fault::Status(503, "", /*times=*/-1));
  PutDynaKube("prod");
  Settle();
  EXPECT_EQ(Row("prod").deleted_at, absl::InfinitePast());
  EXPECT_EQ(Row("prod").state, TenantState::kFailed);
  EXPECT_NE(Row("prod").agent_id, "");
}

TEST_F(SchedulerTest, WhatIsBrokenOrHiddenIsNotDeleted) {
  PutDynaKube("prod");
  PutDynaKube("other");
  Settle();
  // Nobody can say what stands in this file.
  PutManifest("prod.yaml", "kind: DynaKube\nmetadata: {name: [\n");
  RemoveManifest("other.yaml");
  Settle();
  EXPECT_EQ(Row("prod").deleted_at, absl::InfinitePast());
  EXPECT_EQ(Row("other").deleted_at, absl::InfinitePast());
  EXPECT_THAT(observer_.Events(), Contains(StartsWith("problem prod.yaml:")));
  Settle();  // a problem is said once
  EXPECT_THAT(observer_.Events(), IsEmpty());
  EXPECT_THAT(node_->index->SourceTrouble(),
              IsOkAndHolds(StartsWith("nothing is collected while a DynaKube "
                                      "may be hidden: prod.yaml:")));
  // A list that fails says nothing at all.
  ASSERT_EQ(rename(dir_.Path("m").c_str(), dir_.Path("away").c_str()), 0);
  Settle();
  EXPECT_EQ(Row("prod").deleted_at, absl::InfinitePast());
  EXPECT_THAT(node_->index->SourceTrouble(), IsOkAndHolds(Not("")));
  ASSERT_EQ(rename(dir_.Path("away").c_str(), dir_.Path("m").c_str()), 0);
  PutDynaKube("prod");
  Reopen();  // whoever said so is gone
  Settle();
  EXPECT_THAT(node_->index->SourceTrouble(), IsOkAndHolds(""));
}

TEST_F(SchedulerTest, DynaKubesOfOneNameFailAndKeepWhatThereWas) {
  PutDynaKube("prod");
  Settle();
  const TenantRow before = Row("prod");
  PutManifest("again.yaml",
              "apiVersion: dynatrace.com/v1beta6\nkind: DynaKube\n"
              "metadata: {name: prod, namespace: elsewhere}\n");
  Settle();
  EXPECT_EQ(Row("prod").state, TenantState::kFailed);
  EXPECT_THAT(Row("prod").reason, HasSubstr("elsewhere/prod"));
  EXPECT_EQ(Row("prod").agent_id, before.agent_id);
  EXPECT_EQ(Row("prod").deleted_at, absl::InfinitePast());
  EXPECT_EQ(Row("prod").namespace_name, "default");
  RemoveManifest("again.yaml");
  Settle();
  EXPECT_EQ(Row("prod").state, TenantState::kReady);
}

TEST_F(SchedulerTest, NothingIsCollectedBeforeTheMounterHasReconciled) {
  limits_ = {.grace_period = absl::ZeroDuration(), .keep_versions = 0};
  Reopen();
  PutDynaKube("prod", absl::StrCat("version: ", kOne));
  Settle();
  const std::string old_agent = Row("prod").agent_id;
  PutDynaKube("prod", absl::StrCat("version: ", kTwo));
  Settle();
  clock_.Advance(absl::Seconds(1));
  Collect();
  EXPECT_THAT(observer_.Events(), ElementsAre(StartsWith("skipped: ")));
  EXPECT_TRUE(IsOnDisk(old_agent));
}

TEST_F(SchedulerTest, AnOldVersionGoesWhenNoVolumeUsesIt) {
  limits_ = {.grace_period = absl::Minutes(5), .keep_versions = 0};
  Reopen();
  ASSERT_OK(node_->index->SetReconciled(kNodeBootId));
  PutDynaKube("prod", absl::StrCat("version: ", kOne));
  Settle();
  const std::string old_agent = Row("prod").agent_id;
  Lease("volume", "prod");
  PutDynaKube("prod", absl::StrCat("version: ", kTwo));
  Settle();
  clock_.Advance(absl::Minutes(6));
  Collect();
  EXPECT_THAT(observer_.Events(), IsEmpty());
  EXPECT_TRUE(IsOnDisk(old_agent));

  ASSERT_OK(node_->index->ReleaseLease("volume", clock_.Now()));
  Collect();
  EXPECT_THAT(observer_.Events(), IsEmpty()) << "within its grace";
  clock_.Advance(absl::Minutes(6));
  Collect();
  EXPECT_THAT(observer_.Events(), Contains(absl::StrCat("agent ", old_agent)));
  EXPECT_FALSE(IsOnDisk(old_agent));
  ExpectConsistent();
}

TEST_F(SchedulerTest, NothingIsCollectedWhileTheListIsIncomplete) {
  limits_ = {.grace_period = absl::ZeroDuration(), .keep_versions = 0};
  Reopen();
  ASSERT_OK(node_->index->SetReconciled(kNodeBootId));
  PutDynaKube("prod", absl::StrCat("version: ", kOne));
  Settle();
  PutDynaKube("prod", absl::StrCat("version: ", kTwo));
  PutManifest("broken.yaml", "{");
  Settle();
  clock_.Advance(absl::Seconds(1));
  Collect();
  EXPECT_THAT(observer_.Events(), ElementsAre(StartsWith("skipped: ")));
}

TEST_F(SchedulerTest, ARoundOfReconcilesEndsWithACollection) {
  limits_ = {.grace_period = absl::ZeroDuration(), .keep_versions = 0};
  Reopen();
  ASSERT_OK(node_->index->SetReconciled(kNodeBootId));
  PutDynaKube("prod", absl::StrCat("version: ", kOne));
  Settle();
  const std::string old_agent = Row("prod").agent_id;
  PutDynaKube("prod", absl::StrCat("version: ", kTwo));
  Settle();
  clock_.Advance(absl::Seconds(1));
  node_->scheduler.RunOnce(clock_.Now());
  node_->scheduler.WaitUntilSettled(clock_.Now());
  EXPECT_FALSE(IsOnDisk(old_agent));
}

TEST_F(SchedulerTest, AReplacedIndexGetsItsRowsBack) {
  PutDynaKube("prod");
  Settle();
  const TenantRow before = Row("prod");
  for (const char* suffix : {"", "-wal", "-shm"}) {
    const std::string file = absl::StrCat(layout_.IndexFile(), suffix);
    ASSERT_TRUE(unlink(file.c_str()) == 0 || errno == ENOENT);
  }
  node_->scheduler.RunOnce(clock_.Now());
  EXPECT_TRUE(Row("prod") == before);
  EXPECT_EQ(node_->index->ListAgents()->size(), 1u);
  EXPECT_EQ(Downloads(), 1);
}

TEST_F(SchedulerTest, ATreeOfUnknownUseGoesOnceTheMounterHasReconciled) {
  dir_.WriteFile("data/agents/0123456789abcdef/agent/x", "x");
  Reopen();
  node_->scheduler.ListOnce(clock_.Now());
  EXPECT_TRUE(IsOnDisk("0123456789abcdef"));
  ASSERT_OK_AND_ASSIGN(const auto mounter,
                       Index::Open({.data_dir = layout_.data_dir()}));
  ASSERT_OK(mounter->SetReconciled(kNodeBootId));
  node_->scheduler.ListOnce(clock_.Now());
  EXPECT_FALSE(IsOnDisk("0123456789abcdef"));
}

TEST_F(SchedulerTest, ARecordAheadOfItsRowCountsAtStart) {
  PutDynaKube("prod");
  Settle();
  TenantRow ahead = Row("prod");
  ahead.reason = "written before its row";
  ASSERT_OK(WriteTenantRecord(layout_, ahead));
  Reopen();
  EXPECT_EQ(Row("prod").reason, "written before its row");
}

TEST_F(SchedulerTest, TheEndIsNotWaitedBeyond) {
  PutDynaKube("prod");
  Notification asked;
  Notification go_on;
  server_.SetHook([&](const SeenRequest&) {
    asked.Notify();
    go_on.Wait();
  });
  node_->scheduler.ListOnce(clock_.Now());
  // Returns although the reconcile cannot end.
  node_->scheduler.WaitUntilSettled(clock_.Now(),
                                    [&] { return asked.IsNotified(); });
  EXPECT_TRUE(asked.IsNotified());
  go_on.Notify();
  node_->scheduler.WaitUntilSettled(clock_.Now());
  EXPECT_EQ(Row("prod").state, TenantState::kReady);
}

TEST_F(SchedulerTest, ADamagedRecordDoesNotKeepTheOthersFromComingBack) {
  PutDynaKube("a");
  PutDynaKube("b");
  Settle();
  dir_.WriteFile("data/tenants/a.json", "{");
  observer_.Events();
  Reopen();
  EXPECT_THAT(observer_.Events(),
              ElementsAre(testing::AllOf(StartsWith("error recover: "),
                                         HasSubstr("a.json"))));
  Settle();
  EXPECT_EQ(Row("a").state, TenantState::kReady);
  EXPECT_EQ(Row("b").state, TenantState::kReady);
  ExpectConsistent();
}

TEST_F(SchedulerTest, NoticesAreSaidOnceAndDeleted) {
  PutDynaKube("prod");
  Settle();
  VolumeRow volume;
  volume.id = "v";
  volume.dynakube = "prod";
  volume.reason = "no agent in time";
  {
    ASSERT_OK_AND_ASSIGN(const auto mounter,
                         Index::Open({.data_dir = layout_.data_dir(),
                                      .read_only = false,
                                      .on_rebuilt = nullptr}));
    ASSERT_OK(mounter->MarkEmpty(volume, clock_.Now()));
  }
  observer_.Events();
  node_->scheduler.RunOnce(clock_.Now());
  EXPECT_THAT(observer_.Events(), Contains("notice v: no agent in time"));
  EXPECT_THAT(node_->index->ListNotices(), IsOkAndHolds(IsEmpty()));
  node_->scheduler.RunOnce(clock_.Now());
  EXPECT_THAT(observer_.Events(), Not(Contains(HasSubstr("notice"))));
}

}  // namespace
}  // namespace oneagent
