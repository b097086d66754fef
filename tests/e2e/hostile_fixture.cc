#include "tests/e2e/hostile_fixture.h"

#include <algorithm>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "tests/support/status_matchers.h"

namespace oneagent {

Bystander::Bystander(Node& node)
    : node_(node),
      client_(node.socket(), TestCsiClient::Connections::kOnePerCall),
      thread_([this] { Run(); }) {}

Bystander::~Bystander() {
  stopped_ = true;
  thread_.join();
  EXPECT_EQ(failure_, "");
  EXPECT_GT(rounds_, 0);
  EXPECT_LT(worst_, kMostWait);
  std::cout << "others: " << rounds_ << " pods came and went, slowest call "
            << absl::FormatDuration(worst_) << "\n";
}

void Bystander::AwaitRounds(int more) const {
  const int want = rounds_ + more;
  EXPECT_TRUE(Node::WaitUntil([&] { return rounds_ >= want; }));
}

void Bystander::Timed(const char* what,
                      const std::function<absl::Status()>& call) {
  const absl::Time begin = absl::Now();
  const absl::Status status = call();
  worst_ = std::max(worst_, absl::Now() - begin);
  if (!status.ok() && failure_.empty()) {
    failure_ = absl::StrCat(what, ": ", status.ToString());
  }
}

void Bystander::Run() {
  do {
    Timed("probe", [this] { return client_.Probe().status(); });
    Timed("publish", [this] { return node_.Publish({.pod = "bystander"}); });
    Timed("unpublish", [this] { return node_.Unpublish("bystander"); });
    ++rounds_;
  } while (!stopped_);
}

void HostileTest::SetUp() {
  node_.ApplyDynaKube({.version = kFirstAgentVersion});
  ASSERT_EQ(node_.ProvisionOnce(), 0) << node_.ProvisionerLog();
  node_.StartMounter();
  // What only the first calls need is there.
  Bystander(node_).AwaitRounds(20);
}

void HostileTest::Endure(const std::function<void()>& attack) {
  const pid_t pid = node_.mounter().pid();
  const ProcessFigures before = FiguresOf(pid);
  {
    const Bystander others(node_);
    others.AwaitRounds(1);
    attack();
    others.AwaitRounds(2);
  }
  ASSERT_TRUE(node_.mounter().IsRunning());
  ExpectOnlyItsOwnLog();
  ASSERT_EQ(node_.mounter().pid(), pid);
  ProcessFigures after;
  EXPECT_TRUE(Node::WaitUntil([&] {
    after = FiguresOf(pid);
    return after.descriptors <= before.descriptors &&
           after.rss_kib <= before.rss_kib + kMostGrowthKib;
  })) << "descriptors "
      << before.descriptors << " -> " << after.descriptors << ", memory "
      << before.rss_kib << " -> " << after.rss_kib << " KiB";
  std::cout << "memory " << before.rss_kib << " -> " << after.rss_kib
            << " KiB, at most " << after.peak_rss_kib << " KiB\n";
}

void HostileTest::ExpectOnlyItsOwnLog() {
  const std::string log = node_.MounterLog();
  for (const absl::string_view line :
       absl::StrSplit(log, '\n', absl::SkipEmpty())) {
    ASSERT_THAT(std::string(line),
                testing::MatchesRegex("20[-0-9T:.]+Z [A-Z]+ mounter.*"));
    for (const char c : line) {
      ASSERT_TRUE(absl::ascii_isprint(static_cast<unsigned char>(c))) << line;
    }
  }
}

CsiPublishCall HostileTest::CallFor(const std::string& pod) const {
  CsiPublishCall call = KubeletPublishCall(
      node_.kubelet_dir(),
      {.name = pod, .namespace_name = "shop", .uid = "uid-" + pod},
      "oneagent-bin", {{"mode", "app"}, {"dynakube", "demo"}});
  call.volume_id = Node::VolumeId(pod);
  return call;
}

std::vector<CsiPublishCall> HostileTest::CallsFor(int pods) const {
  std::vector<CsiPublishCall> calls;
  for (int i = 0; i < pods; ++i) {
    calls.push_back(CallFor(absl::StrCat("p", i)));
    MakeKubeletDirs(calls.back().target_path);
  }
  return calls;
}

}  // namespace oneagent
