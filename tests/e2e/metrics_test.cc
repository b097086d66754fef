// Every metric of both daemons moves: one story of a node, in which each row of
// both tables gets another value than the zero that it has from its table. A
// row that no step of the story drives fails this test.
#include "base/metrics.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/durable_file.h"
#include "base/unique_fd.h"
#include "cache/index/file_guard.h"
#include "cache/provisioner/provisioner_metrics.h"
#include "csi/mounter_metrics.h"
#include "tests/e2e/node.h"
#include "tests/support/http_client.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::IsEmpty;

constexpr char kFlag[] = "--metrics-address=127.0.0.1:0";

// Values by series, "name{labels}".
using Scrape = std::map<std::string, double>;

Scrape Parse(const std::string& text) {
  Scrape scrape;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const size_t blank = line.rfind(' ');
    if (line.empty() || line.front() == '#') continue;
    double value = 0;
    EXPECT_TRUE(absl::SimpleAtod(line.substr(blank + 1), &value)) << line;
    scrape[std::string(line.substr(0, blank))] = value;
  }
  return scrape;
}

// The row that a series belongs to.
std::string RowOf(const MetricTable& table, absl::string_view series) {
  absl::string_view name = series.substr(0, series.find('{'));
  std::string best;
  for (const MetricInfo& info : table) {
    if (name == info.name || (info.kind == MetricKind::kHistogram &&
                              absl::StartsWith(name, info.name))) {
      best = info.name;
    }
  }
  return best;
}

// One daemon, and what its metrics have done so far.
class Watched {
 public:
  Watched(std::string name, MetricTable table)
      : name_(std::move(name)), table_(std::move(table)) {}

  void ListensOn(int port) {
    port_ = port;
    ASSERT_NE(port, 0) << name_;
  }

  Scrape Get() {
    const HttpReply reply = HttpAsk(port_, "/metrics");
    EXPECT_EQ(reply.status, 200) << name_;
    EXPECT_THAT(reply.head, testing::HasSubstr("version=0.0.4"));
    Scrape scrape = Parse(reply.body);
    for (const auto& [series, value] : scrape) {
      const std::string row = RowOf(table_, series);
      EXPECT_NE(row, "") << series << " is in no table";
      if (value != 0) moved_.insert(row);
    }
    return scrape;
  }
  double Value(const std::string& series) {
    const Scrape scrape = Get();
    const auto found = scrape.find(series);
    return found == scrape.end() ? 0 : found->second;
  }
  bool Becomes(const std::string& series, double value) {
    return Node::WaitUntil([&] { return Value(series) == value; });
  }
  bool BecomesPositive(const std::string& series) {
    return Node::WaitUntil([&] { return Value(series) > 0; });
  }

  std::set<std::string> Unmoved() const {
    std::set<std::string> rows;
    for (const MetricInfo& info : table_) rows.insert(info.name);
    for (const std::string& row : moved_) rows.erase(row);
    return rows;
  }

 private:
  const std::string name_;
  const MetricTable table_;
  int port_ = 0;
  std::set<std::string> moved_;
};

class MetricsStoryTest : public testing::Test {
 protected:
  void StartMounter() {
    node_.StartMounter({kFlag});
    mounter_.ListensOn(Node::PortOf("metrics-address", node_.MounterLog()));
  }
  void StartProvisioner() {
    const size_t said =
        provisioned_ ? node_.ProvisionerLog().size() : size_t{0};
    node_.StartProvisioner({kFlag, "--grace-period=0s", "--keep-versions=0"});
    provisioned_ = true;
    int port = 0;
    ASSERT_TRUE(Node::WaitUntil([&] {
      const std::string log = node_.ProvisionerLog().substr(said);
      port = Node::PortOf("metrics-address", log);
      // Its index is open only then, and may be deleted under it.
      return absl::StrContains(log, "provisioner/daemon started");
    })) << node_.ProvisionerLog();
    provisioner_.ListensOn(port);
  }
  // What lies in a trash was put there in an earlier boot.
  void AgeTrash(const std::string& trash) {
    const auto names = ListDirectory(trash);
    ASSERT_OK(names.status());
    for (const std::string& name : *names) {
      std::filesystem::rename(absl::StrCat(trash, "/", name),
                              absl::StrCat(trash, "/", name, "-old"));
    }
  }

  void PlayCalls();
  void PlayBusyVolume();
  void PlayLockedIndex();
  void PlayCollection();
  void PlayLostIndex();

  Node node_;
  Watched mounter_{"mounter", MounterMetricTable()};
  Watched provisioner_{"provisioner", ProvisionerMetricTable()};
  bool provisioned_ = false;
};

void MetricsStoryTest::PlayCalls() {
  ASSERT_OK(node_.Publish({.pod = "a"}));
  ASSERT_OK(node_.Publish({.pod = "a"}));
  ASSERT_OK(node_.Publish({.pod = "h", .mode = "host"}));
  ASSERT_OK(
      node_.Publish({.pod = "e", .dynakube = "nobody", .retry_timeout = "0s"}));
  EXPECT_FALSE(node_.Publish({.pod = "w", .dynakube = "nobody"}).ok());
  EXPECT_FALSE(node_.Publish({.pod = "bad", .mode = "nonsense"}).ok());
  const Scrape after = mounter_.Get();
  const std::map<std::string, double> want = {
      {"publish_total{cause=\"none\",result=\"mounted\"}", 2},
      {"publish_total{cause=\"none\",result=\"already_published\"}", 1},
      {"publish_total{cause=\"no_dynakube\",result=\"empty\"}", 1},
      {"publish_total{cause=\"no_dynakube\",result=\"failed\"}", 1},
      {"publish_total{cause=\"invalid\",result=\"refused\"}", 1},
      {"publish_duration_seconds_count{result=\"mounted\"}", 2},
      {"volumes{mode=\"app\",state=\"mounted\"}", 1},
      {"volumes{mode=\"host\",state=\"mounted\"}", 1},
      {"volumes{mode=\"app\",state=\"empty\"}", 1},
      {"volumes{mode=\"app\",state=\"waiting\"}", 1},
      {"empty_volumes{reason=\"no_dynakube\"}", 1},
      {absl::StrCat("agent_volumes{version=\"", kFirstAgentVersion, "\"}"), 1}};
  for (const auto& [series, value] : want) {
    const auto found = after.find(absl::StrCat("oneagent_csi_", series));
    ASSERT_NE(found, after.end()) << series;
    EXPECT_EQ(found->second, value) << series;
  }
  // What a pod wrote is counted when kubelet asks for its stats.
  ASSERT_EQ(node_.RunIn("a").exit_code, 0);
  ASSERT_OK(node_.Stats("a"));
  EXPECT_GT(mounter_.Value("oneagent_csi_cache_bytes{kind=\"volumes\"}"), 0);
  EXPECT_GT(mounter_.Value("oneagent_csi_cache_files{kind=\"volumes\"}"), 0);
}

// An unpublish of a volume that somebody holds open is at work for a while, and
// another one waits behind it.
void MetricsStoryTest::PlayBusyVolume() {
  const UniqueFd held(open(node_.Target("a").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(held.ok());
  std::atomic<bool> seen{false};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      while (!seen) EXPECT_FALSE(node_.Unpublish("a").ok());
    });
  }
  seen = Node::WaitUntil([&] {
    const Scrape scrape = mounter_.Get();
    return scrape.at("oneagent_csi_operations_in_flight") > 0 &&
           scrape.at("oneagent_csi_operations_waiting") > 0;
  });
  EXPECT_TRUE(seen);
  seen = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_GT(mounter_.Value("oneagent_csi_unpublish_total{cause=\"busy\","
                           "result=\"failed\"}"),
            0);
}

void MetricsStoryTest::PlayLockedIndex() {
  FileGuard holder(node_.layout().IndexLock(), FileGuard::Missing::kCreate,
                   absl::Seconds(5));
  ASSERT_OK(holder.Lock(FileGuard::Mode::kExclusive));
  ASSERT_OK(node_.Publish({.pod = "u", .retry_timeout = "0s"}));
  const absl::Time begin = absl::Now();
  EXPECT_GT(mounter_.Value("oneagent_csi_unrecorded_volumes"), 0);
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5)) << "a scrape hangs";
  EXPECT_EQ(mounter_.Value("oneagent_csi_publish_total{cause=\"index\","
                           "result=\"empty\"}"),
            1);
  EXPECT_TRUE(mounter_.Becomes("oneagent_csi_index_usable", 0));
  EXPECT_TRUE(provisioner_.Becomes("oneagent_csi_index_usable", 0));
  holder.Unlock();
  EXPECT_TRUE(mounter_.Becomes("oneagent_csi_index_usable", 1));
  EXPECT_TRUE(provisioner_.Becomes("oneagent_csi_index_usable", 1));
  EXPECT_TRUE(mounter_.Becomes("oneagent_csi_unrecorded_volumes", 0));
}

void MetricsStoryTest::PlayCollection() {
  for (const char* const pod : {"a", "h", "e", "u"}) {
    EXPECT_OK(node_.Unpublish(pod));
  }
  EXPECT_TRUE(
      mounter_.BecomesPositive("oneagent_csi_unpublish_total{cause=\"none\","
                               "result=\"unpublished\"}"));
  // Nobody uses the first version any more.
  node_.ApplyDynaKube({.version = kSecondAgentVersion});
  ASSERT_TRUE(node_.WaitForVersion(kSecondAgentVersion));
  EXPECT_TRUE(
      provisioner_.BecomesPositive("oneagent_csi_collected_total{kind="
                                   "\"agent\"}"));
  EXPECT_GT(provisioner_.Value("oneagent_csi_cache_bytes{kind=\"trash\"}"), 0);
  AgeTrash(node_.layout().TrashAgents());
  // Another round of reconciles is followed by a collection.
  node_.ApplyDynaKube(
      {.version = kSecondAgentVersion, .extra_spec = "  networkZone: other\n"});
  EXPECT_TRUE(
      provisioner_.BecomesPositive("oneagent_csi_collected_bytes_total"));
  EXPECT_GT(provisioner_.Value("dynatrace_csi_driver_gc_reclaimed"), 0);
  // The mounter looks into its trash soon after a start.
  AgeTrash(node_.layout().TrashVolumes());
  StartMounter();
  EXPECT_TRUE(mounter_.BecomesPositive("oneagent_csi_collected_bytes_total"));
  EXPECT_TRUE(
      mounter_.BecomesPositive("oneagent_csi_cache_files{kind="
                               "\"host\"}"));
}

void MetricsStoryTest::PlayLostIndex() {
  ASSERT_OK(node_.Publish({.pod = "b"}));
  node_.DeleteIndex();
  // Whoever looks first makes it anew.
  EXPECT_TRUE(Node::WaitUntil([this] {
    return mounter_.Value("oneagent_csi_index_rebuilds_total") +
               provisioner_.Value("oneagent_csi_index_rebuilds_total") >
           0;
  }));
  EXPECT_TRUE(mounter_.Becomes(
      "oneagent_csi_reconciled_volumes_total{outcome=\"mounted\"}", 1));
  EXPECT_GT(mounter_.Value("oneagent_csi_volume_reconciles_total{result="
                           "\"ok\"}"),
            1);
  EXPECT_OK(node_.Unpublish("b"));
}

TEST_F(MetricsStoryTest, EveryRowOfBothTablesMoves) {
  node_.ApplyDynaKube({.version = kFirstAgentVersion});
  StartMounter();
  StartProvisioner();
  ASSERT_TRUE(node_.WaitForVersion(kFirstAgentVersion));
  EXPECT_EQ(provisioner_.Value("oneagent_csi_downloads_total{cause=\"none\","
                               "result=\"ok\"}"),
            1);
  EXPECT_GT(provisioner_.Value("oneagent_csi_download_bytes_total"), 1 << 20);
  PlayCalls();
  PlayBusyVolume();
  PlayLockedIndex();
  PlayCollection();
  PlayLostIndex();
  node_.ApplyDynaKube({.name = "broken", .version = "not-a-version"});
  node_.ApplyDynaKube({.name = "unreadable", .extra_spec = "  {\n"});
  EXPECT_TRUE(
      provisioner_.BecomesPositive("oneagent_csi_dynakubes{state=\"failed\"}"));
  EXPECT_TRUE(
      provisioner_.BecomesPositive("oneagent_csi_dynakube_problems_total"));
  // Whichever of the two made the index anew, each does it when it is alone.
  for (Watched* const alone : {&mounter_, &provisioner_}) {
    if (alone == &mounter_) {
      node_.provisioner().Terminate();
    } else {
      node_.mounter().Terminate();
      StartProvisioner();
    }
    node_.DeleteIndex();
    EXPECT_TRUE(alone->BecomesPositive("oneagent_csi_index_rebuilds_total"));
  }
  // A disk that fails its writeback is FailingDisk's and MountStatusTest's.
  EXPECT_THAT(mounter_.Unmoved(),
              testing::ElementsAre("oneagent_csi_data_disk_errors_total"));
  EXPECT_THAT(provisioner_.Unmoved(), IsEmpty());
}

}  // namespace
}  // namespace oneagent
