#include "tests/unit/provisioner/node_fixture.h"

#include <unistd.h>

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/durable_file.h"
#include "base/privilege.h"
#include "cache/index/records.h"
#include "tests/support/status_matchers.h"

namespace oneagent {

using testing::HasSubstr;
using testing::IsEmpty;

void RecordingObserver::Add(const std::string& event) {
  MutexLock lock(mu_);
  events_.push_back(event);
  absl::StrAppend(&everything_, event, "\n");
}

void RecordingObserver::OnReconciled(const ReconcileReport& report) {
  MutexLock lock(mu_);
  reports_.push_back(report);
  const TenantRow& row = report.row;
  absl::StrAppend(&everything_, row.dynakube, " ", row.namespace_name, " ",
                  row.tenant_uuid, " ", row.agent_id, " ", row.config_id, " ",
                  row.version, " ", Name(row.state), " ", row.reason, "\n");
  reported_.NotifyAll();
}

void RecordingObserver::OnDeleted(absl::string_view dynakube) {
  Add(absl::StrCat("deleted ", dynakube));
}
void RecordingObserver::OnProblem(const SourceProblem& problem) {
  Add(absl::StrCat("problem ", problem.object, ": ", problem.cause));
}
void RecordingObserver::OnCollected(const CollectionResult& result) {
  if (!result.skipped.empty()) Add(absl::StrCat("skipped: ", result.skipped));
  for (const std::string& id : result.agents) Add(absl::StrCat("agent ", id));
  for (const std::string& id : result.configs) {
    Add(absl::StrCat("config ", id));
  }
  for (const std::string& id : result.tenants) {
    Add(absl::StrCat("tenant ", id));
  }
}
void RecordingObserver::OnNotice(const NoticeRow& notice) {
  Add(absl::StrCat("notice ", notice.volume_id, ": ", notice.reason));
}
void RecordingObserver::OnVolumeWaits(const VolumeRow& volume,
                                      const TenantRow* tenant) {
  Add(absl::StrCat("waits ", volume.id, " for ",
                   tenant == nullptr ? "nobody" : tenant->dynakube));
}
void RecordingObserver::OnVolumeCanGo(const VolumeRow& volume,
                                      const TenantRow& tenant) {
  Add(absl::StrCat("can go ", volume.id, ": ", tenant.version));
}
void RecordingObserver::OnError(Chore chore, absl::string_view about,
                                const absl::Status& status) {
  const char* const what = chore == Chore::kRecover ? "recover" : "chore";
  Add(absl::StrCat("error ", what, about.empty() ? "" : " ", about, ": ",
                   status.message()));
}
void RecordingObserver::OnIndexRebuilt(absl::string_view set_aside,
                                       absl::string_view cause) {
  Add(absl::StrCat("index rebuilt: ", cause, " ", set_aside));
}
void RecordingObserver::OnProgress(TransferPhase, absl::string_view, int64_t,
                                   int64_t) {}

void RecordingObserver::AwaitReady(const std::string& dynakube) {
  MutexLock lock(mu_);
  for (;;) {
    for (const ReconcileReport& report : reports_) {
      if (report.row.dynakube == dynakube &&
          report.row.state == TenantState::kReady) {
        return;
      }
    }
    reported_.Wait(mu_);
  }
}

std::vector<ReconcileReport> RecordingObserver::Reports() {
  MutexLock lock(mu_);
  return std::exchange(reports_, {});
}
std::vector<std::string> RecordingObserver::Events() {
  MutexLock lock(mu_);
  return std::exchange(events_, {});
}
std::string RecordingObserver::Everything() {
  MutexLock lock(mu_);
  return everything_;
}

namespace {

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  EXPECT_OK(value);
  if (!value.ok()) abort();
  return *std::move(value);
}

std::unique_ptr<Index> OpenIndex(const std::string& data_dir) {
  EXPECT_OK(Layout(data_dir).Prepare(Owner::kProvisioner));
  return OrDie(Index::Open(
      {.data_dir = data_dir, .read_only = false, .on_rebuilt = nullptr}));
}

}  // namespace

NodeUnderTest::NodeUnderTest(const std::string& data_dir,
                             const std::string& manifests, const Clock& clock,
                             CacheObserver& observer, CollectionLimits limits)
    : index(OpenIndex(data_dir)),
      source(OrDie(ManifestDir::Open(manifests))),
      fetcher("under-test", clock),
      api(fetcher),
      store(Layout(data_dir), *index, clock, kNodeBootId),
      book(Layout(data_dir), *index),
      collector(store, *index, clock, kNodeBootId, limits),
      reconciler({.store = store,
                  .index = *index,
                  .api = api,
                  .book = book,
                  .gate = gate,
                  .clock = clock,
                  .observer = observer}),
      notices(*index, observer),
      scheduler({.source = *source,
                 .reconciler = reconciler,
                 .collector = collector,
                 .store = store,
                 .index = *index,
                 .book = book,
                 .gate = gate,
                 .notices = notices,
                 .observer = observer}) {
  const absl::Status started = scheduler.Start();
  if (!started.ok()) observer.OnError(Chore::kRecover, "", started);
}

ArchiveBuilder AgentArchive(const std::string& version) {
  return ArchiveBuilder()
      .Directory("agent")
      .Directory("agent/conf")
      .File("agent/conf/ruxitagentproc.conf",
            "[general]\nlogLevel info\ntenant unset\n")
      .Directory("agent/lib64")
      .File("agent/lib64/liboneagentproc.so", absl::StrCat("elf ", version),
            0755)
      .Directory(absl::StrCat("agent/bin/", version))
      .File(absl::StrCat("agent/bin/", version, "/tool"), "tool", 0755)
      .File("agent/version", version);
}

void NodeFixture::SetUpTestSuite() {
  ASSERT_OK(DropPrivilegesExcept({}));
  EXPECT_THAT(ReadTestFile("/proc/self/status"),
              HasSubstr("CapEff:\t0000000000000000"));
}

NodeFixture::NodeFixture() : layout_(dir_.Path("data")) {
  dir_.MakeDir("m");
  server_.Update([](ServedTenant& tenant) {
    for (const char* version : {kOne, kTwo}) {
      tenant.agents[version].bytes =
          AgentArchive(version).Build(ArchiveFormat::kZip);
    }
    tenant.latest = kOne;
    tenant.properties = {{"general", "fromTenant", "yes"}};
  });
  Reopen();
}

void NodeFixture::Reopen() {
  node_.reset();
  node_ = std::make_unique<NodeUnderTest>(layout_.data_dir(), dir_.Path("m"),
                                          clock_, observer_, limits_);
}

void NodeFixture::PutDynaKube(const std::string& name, const std::string& mode,
                              const std::string& more) {
  PutManifest(
      absl::StrCat(name, ".yaml"),
      absl::StrCat("apiVersion: dynatrace.com/v1beta6\nkind: DynaKube\n"
                   "metadata: {name: ",
                   name, "}\nspec:\n  apiUrl: ", server_.api_url(),
                   "\n  oneAgent: {cloudNativeFullStack: {", mode, "}}\n", more,
                   "---\napiVersion: v1\nkind: Secret\n"
                   "metadata: {name: ",
                   name, "}\nstringData: {apiToken: ", kTenantApiToken, "}\n"));
}

void NodeFixture::PutManifest(const std::string& file,
                              const std::string& text) {
  dir_.WriteFile(absl::StrCat("m/", file), text);
}

void NodeFixture::RemoveManifest(const std::string& file) {
  ASSERT_EQ(unlink(dir_.Path(absl::StrCat("m/", file)).c_str()), 0);
}

void NodeFixture::Settle() {
  node_->scheduler.ListSoon();
  node_->scheduler.ListOnce(clock_.Now());
  node_->scheduler.WaitUntilSettled(clock_.Now());
}

TenantRow NodeFixture::Row(const std::string& dynakube) {
  const auto row = node_->index->GetTenant(dynakube);
  EXPECT_OK(row);
  if (!row.ok() || !row->has_value()) {
    ADD_FAILURE() << "no row of " << dynakube;
    return {};
  }
  return **row;
}

std::string NodeFixture::Conf(const std::string& dynakube) {
  return ReadTestFile(absl::StrCat(layout_.ConfigTree(Row(dynakube).config_id),
                                   "/", kProcessConfPath));
}

std::string NodeFixture::AgentFile(const std::string& dynakube,
                                   const std::string& path) {
  return ReadTestFile(
      absl::StrCat(layout_.AgentTree(Row(dynakube).agent_id), "/", path));
}

bool NodeFixture::IsOnDisk(const std::string& agent_id) const {
  const auto exists = PathExists(layout_.AgentTree(agent_id));
  return exists.ok() && *exists;
}

void NodeFixture::ExpectConsistent() {
  std::set<std::string> rows;
  ASSERT_OK_AND_ASSIGN(const auto agents, node_->index->ListAgents());
  for (const AgentRow& row : agents) {
    EXPECT_EQ(row.state, TreeState::kReady) << row.id;
    rows.insert(row.id);
    rows.insert(absl::StrCat(row.id, ".json"));
    EXPECT_THAT(VerifyAgent(layout_, row.id), IsOkAndHolds(IsEmpty()));
  }
  ASSERT_OK_AND_ASSIGN(const auto names, ListDirectory(layout_.AgentsDir()));
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()), rows);
  EXPECT_THAT(ListDirectory(layout_.StagingDir()), IsOkAndHolds(IsEmpty()));
  ASSERT_OK_AND_ASSIGN(const auto tenants, node_->index->ListTenants());
  for (const TenantRow& row : tenants) {
    ASSERT_OK_AND_ASSIGN(const TenantRow record,
                         ReadTenantRecord(layout_, row.dynakube));
    if (row.deleted_at == absl::InfinitePast()) {
      EXPECT_EQ(record.agent_id, row.agent_id);
      EXPECT_EQ(record.config_id, row.config_id);
    }
    EXPECT_EQ(record.state, row.state);
    EXPECT_EQ(record.reason, row.reason);
    EXPECT_EQ(record.deleted_at, row.deleted_at);
  }
}

}  // namespace oneagent
