// What fifty nodes ask of the API server while nothing changes.
//
// From the server's own metrics: apiserver_request_total counts a request when
// it has ended, so watches are counted apart, as the streams that are open
// (apiserver_longrunning_requests). Of a window of a minute, an hour's requests
// of a node are
//
//   60 × what ended in the window, less what the same window without
//        provisioners had (the server talks to itself)
//   + open watches × (an hour / the shortest timeoutSeconds that was asked for)
//   + the hour's one look at which versions there are
//
// divided by fifty. The timeouts are read from the server's audit log.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/kube/kube_node_fixture.h"
#include "tests/support/daemon.h"

namespace oneagent {
namespace {

constexpr int kNodes = 50;
constexpr double kMostPerHour = 100;
constexpr absl::Duration kWindow = absl::Seconds(60);

class LoadTest : public KubeNodeTest {
 protected:
  void StartNodes() {
    for (int i = 0; i < kNodes; ++i) {
      const std::string data = dir_.MakeDir(absl::StrCat("data-", i));
      nodes_.push_back(std::make_unique<Daemon>(
          std::vector<std::string>{
              absl::StrCat(ONEAGENT_BIN_DIR, "/oneagent-csi-provisioner"),
              absl::StrCat("--data-dir=", data), node_.source()[0],
              absl::StrCat("--node-name=node-", i), "--start-jitter=0s"},
          dir_.Path(absl::StrCat("log-", i))));
    }
  }
  int Ready() {
    int ready = 0;
    for (const std::unique_ptr<Daemon>& node : nodes_) {
      if (absl::StrContains(node->Log(), "state=ready")) ++ready;
    }
    return ready;
  }
  // The sum of a metric's series with all of `labels`.
  static double Sum(const std::string& metrics, const std::string& name,
                    const std::vector<std::string>& labels) {
    double sum = 0;
    for (const absl::string_view line : absl::StrSplit(metrics, '\n')) {
      if (!absl::StartsWith(line, absl::StrCat(name, "{"))) continue;
      double value = 0;
      const bool has_all = std::all_of(
          labels.begin(), labels.end(),
          [&](const auto& label) { return absl::StrContains(line, label); });
      if (has_all &&
          absl::SimpleAtod(line.substr(line.rfind(' ') + 1), &value)) {
        sum += value;
      }
    }
    return sum;
  }
  static double OpenWatches() {
    return Sum(server().Metrics(), "apiserver_longrunning_requests",
               {"verb=\"WATCH\""});
  }
  // The shortest time that a watch was asked for, in seconds; 0 when none was.
  static double ShortestTimeout(const std::vector<std::string>& uris) {
    static constexpr absl::string_view kKey = "timeoutSeconds=";
    double shortest = 0;
    for (const absl::string_view uri : uris) {
      const size_t at = uri.find(kKey);
      if (at == absl::string_view::npos) continue;
      const absl::string_view rest = uri.substr(at + kKey.size());
      double seconds = 0;
      if (absl::SimpleAtod(rest.substr(0, rest.find('&')), &seconds) &&
          (shortest == 0 || seconds < shortest)) {
        shortest = seconds;
      }
    }
    return shortest;
  }
  // Requests but watches that end while nothing changes.
  static double EndedInWindow() {
    const auto ended = [] {
      const std::string metrics = server().Metrics();
      return Sum(metrics, "apiserver_request_total", {}) -
             Sum(metrics, "apiserver_request_total", {"verb=\"WATCH\""});
    };
    const double before = ended();
    std::this_thread::sleep_for(absl::ToChronoMilliseconds(kWindow));
    return ended() - before;
  }

  std::vector<std::unique_ptr<Daemon>> nodes_;
};

TEST_F(LoadTest, AQuietHourOfANodeIsAHundredRequestsAtMost) {
  Apply({.name = "demo", .version = kFirstAgentVersion});
  const double alone = EndedInWindow();
  const double watches_alone = OpenWatches();
  StartNodes();
  ASSERT_TRUE(
      WaitUntil([this] { return Ready() == kNodes; }, absl::Minutes(3)));
  const std::vector<std::string> asked = server().AskedByAccounts();

  const double ended = EndedInWindow() - alone;
  const double watches = OpenWatches() - watches_alone;
  const double timeout = ShortestTimeout(asked);
  ASSERT_GT(timeout, 0);
  ASSERT_GE(watches, kNodes);
  const double per_hour =
      ended * absl::FDivDuration(absl::Hours(1), kWindow) / kNodes +
      watches / kNodes * (absl::ToDoubleSeconds(absl::Hours(1)) / timeout) + 1;
  std::cout << "ended in the window: " << ended
            << "; watches of a node: " << watches / kNodes << ", each at least "
            << timeout << " s; requests per hour and node: " << per_hour
            << "; requests to start a node: "
            << static_cast<double>(asked.size()) / kNodes << "\n";
  EXPECT_LE(per_hour, kMostPerHour);
}

}  // namespace
}  // namespace oneagent
