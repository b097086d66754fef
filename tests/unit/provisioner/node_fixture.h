// One node's provisioner in this process, without a capability, against a
// tenant's API on loopback. Reopen() is a restart of the process.
#ifndef TESTS_UNIT_PROVISIONER_NODE_FIXTURE_H_
#define TESTS_UNIT_PROVISIONER_NODE_FIXTURE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "cache/collect/collector.h"
#include "cache/index/index.h"
#include "cache/index/layout.h"
#include "cache/kube/manifest_dir.h"
#include "cache/provisioner/commit_gate.h"
#include "cache/provisioner/notice_outlet.h"
#include "cache/provisioner/observer.h"
#include "cache/provisioner/reconciler.h"
#include "cache/provisioner/scheduler.h"
#include "cache/provisioner/tenant_book.h"
#include "cache/source/curl_fetcher.h"
#include "cache/source/deployment_api.h"
#include "cache/store/store.h"
#include "gtest/gtest.h"
#include "tests/support/archive_builder.h"
#include "tests/support/fake_clock.h"
#include "tests/support/leak_check.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tenant_api.h"

namespace oneagent {

inline constexpr char kOne[] = "1.300.0.20260101-120000";
inline constexpr char kTwo[] = "1.301.0.20260201-120000";
inline constexpr char kNodeBootId[] = "boot-1";

// Keeps everything it is told.
class RecordingObserver final : public CacheObserver {
 public:
  void OnReconciled(const ReconcileReport& report) override;
  void OnDeleted(absl::string_view dynakube) override;
  void OnProblem(const SourceProblem& problem) override;
  void OnCollected(const CollectionResult& result) override;
  void OnNotice(const NoticeRow& notice) override;
  void OnVolumeWaits(const VolumeRow& volume, const TenantRow* tenant) override;
  void OnVolumeCanGo(const VolumeRow& volume, const TenantRow& tenant) override;
  void OnError(Chore chore, absl::string_view about,
               const absl::Status& status) override;
  void OnIndexRebuilt(absl::string_view set_aside,
                      absl::string_view cause) override;
  void OnProgress(TransferPhase phase, absl::string_view version, int64_t done,
                  int64_t total) override;

  // Waits for a report on `dynakube` that is ready.
  void AwaitReady(const std::string& dynakube);

  std::vector<ReconcileReport> Reports();  // and forgets them
  std::vector<std::string> Events();       // everything else; forgets them
  // Everything that was ever said, in one text.
  std::string Everything();

 private:
  void Add(const std::string& event);

  Mutex mu_;
  CondVar reported_;
  std::vector<ReconcileReport> reports_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> events_ ABSL_GUARDED_BY(mu_);
  std::string everything_ ABSL_GUARDED_BY(mu_);
};

// The parts of the provisioner, wired as in provisioner.cc but for clock,
// boot id and waiting between attempts.
class NodeUnderTest {
 public:
  NodeUnderTest(const std::string& data_dir, const std::string& manifests,
                const Clock& clock, CacheObserver& observer,
                CollectionLimits limits);

  std::unique_ptr<Index> index;
  std::unique_ptr<ManifestDir> source;
  CurlFetcher fetcher;
  DeploymentApi api;
  Store store;
  TenantBook book;
  CommitGate gate;
  Collector collector;
  TenantReconciler reconciler;
  NoticeLog notices;
  Scheduler scheduler;
};

// An agent as the tenant serves it.
ArchiveBuilder AgentArchive(const std::string& version);

class NodeFixture : public testing::Test {
 protected:
  static void SetUpTestSuite();  // drops every capability, for good
  NodeFixture();

  void Reopen();

  // A DynaKube with its token Secret: `mode` are the fields of its
  // cloudNativeFullStack, `more` follows below spec (or as status).
  void PutDynaKube(const std::string& name, const std::string& mode = "",
                   const std::string& more = "");
  void PutManifest(const std::string& file, const std::string& text);
  void RemoveManifest(const std::string& file);
  // Lists, reconciles all that is due, and waits for the end of it.
  void Settle();

  TenantRow Row(const std::string& dynakube);
  // What a pod of it reads as agent/conf/ruxitagentproc.conf.
  std::string Conf(const std::string& dynakube);
  std::string AgentFile(const std::string& dynakube, const std::string& path);
  int Downloads() const { return server_.CountRequests("/paas/version/"); }
  bool IsOnDisk(const std::string& agent_id) const;
  // Rows, records and trees agree, and nothing is left in staging.
  void ExpectConsistent();

  LeakCheck leaks_;
  TempDir dir_;
  FakeClock clock_;
  Layout layout_;
  TenantApiServer server_;
  RecordingObserver observer_;
  CollectionLimits limits_;
  std::unique_ptr<NodeUnderTest> node_;
};

}  // namespace oneagent

#endif  // TESTS_UNIT_PROVISIONER_NODE_FIXTURE_H_
