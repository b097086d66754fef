#include "base/metrics.h"

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

MetricTable Table() {
  return {{.name = "calls_total",
           .kind = MetricKind::kCounter,
           .help = "Calls",
           .labels = {{.name = "result", .values = {"ok", "failed"}},
                      {.name = "cause", .values = {"none", "disk"}}}},
          {.name = "runs_total",
           .kind = MetricKind::kCounter,
           .help = "Runs",
           .labels = {{.name = "result", .values = {"ok", "failed"}}}},
          {.name = "waiting", .kind = MetricKind::kGauge, .help = "Waiting"},
          {.name = "versions",
           .kind = MetricKind::kGauge,
           .help = "By version",
           .labels = {{.name = "version", .bound = "agents"}}},
          {.name = "seconds",
           .kind = MetricKind::kHistogram,
           .help = "Took",
           .buckets = {0.5, 1}}};
}

std::unique_ptr<Metrics> Create() {
  absl::StatusOr<std::unique_ptr<Metrics>> metrics = Metrics::Create(Table());
  EXPECT_OK(metrics.status());
  return metrics.ok() ? *std::move(metrics) : nullptr;
}

TEST(MetricsTest, RendersEachKindInTheTextFormat) {
  const auto metrics = Create();
  metrics->Add("calls_total", {"failed", "disk"});
  metrics->Add("calls_total", {"failed", "disk"}, 2);
  metrics->Set("waiting", {}, 7);
  metrics->Set("waiting", {}, 5);
  metrics->Observe("seconds", {}, 0.25);
  metrics->Observe("seconds", {}, 0.5);
  metrics->Observe("seconds", {}, 30);
  const std::string text = metrics->Render();
  for (const char* const line :
       {"# HELP calls_total Calls\n# TYPE calls_total counter\n",
        "calls_total{cause=\"disk\",result=\"failed\"} 3\n",
        "# TYPE waiting gauge\nwaiting 5\n",
        "seconds_bucket{le=\"0.5\"} 2\nseconds_bucket{le=\"1\"} 2\n"
        "seconds_bucket{le=\"+Inf\"} 3\n",
        "seconds_count 3\nseconds_sum 30.75\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

// A rate over a series that begins with its first event misses that event.
TEST(MetricsTest, WhatIsKnownIsThereFromTheStart) {
  const std::string text = Create()->Render();
  EXPECT_THAT(text, HasSubstr("runs_total{result=\"ok\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("runs_total{result=\"failed\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("waiting 0\n"));
  EXPECT_THAT(text, HasSubstr("seconds_count 0\n"));
  EXPECT_THAT(text, Not(HasSubstr("calls_total{")));
}

TEST(MetricsTest, SetAllDropsWhatIsGone) {
  const auto metrics = Create();
  metrics->SetAll("versions", {{{"1.1"}, 3}, {{"1.2"}, 4}});
  metrics->SetAll("versions", {{{"1.2"}, 5}});
  const std::string text = metrics->Render();
  EXPECT_THAT(text, HasSubstr("versions{version=\"1.2\"} 5\n"));
  EXPECT_THAT(text, Not(HasSubstr("1.1")));
}

TEST(MetricsTest, ValuesOfLabelsAreMadePrintableAndCut) {
  const auto metrics = Create();
  const std::string name(200, 'x');
  metrics->SetAll("versions", {{{"a\"b\n\xff"}, 1}, {{name}, 2}});
  const std::string text = metrics->Render();
  EXPECT_THAT(text, HasSubstr("versions{version=\"a\\\"b??\"} 1\n"));
  EXPECT_THAT(text, HasSubstr(absl::StrCat("=\"", name.substr(0, 128), "\"}")));
  // Two that look alike by then are one, and go together.
  metrics->SetAll("versions", {{{"a\n"}, 1}, {{"a\t"}, 1}});
  metrics->SetAll("versions", {});
  EXPECT_THAT(metrics->Render(), Not(HasSubstr("versions{")));
}

TEST(MetricsTest, ABadRowIsAnErrorThatNamesTheMetric) {
  const struct {
    const char* want;
    void (*spoil)(MetricTable&);
  } kCases[] = {
      {"metric calls_total: in the table twice",
       [](MetricTable& table) { table.push_back(table.front()); }},
      {"metric waiting: in the table twice",
       [](MetricTable& table) {
         table.push_back({.name = "waiting",
                          .kind = MetricKind::kCounter,
                          .help = "another kind"});
       }},
      {"metric a-b: not a name",
       [](MetricTable& table) { table.front().name = "a-b"; }},
      {"metric waiting: has no help text",
       [](MetricTable& table) { table[2].help.clear(); }},
      {"metric calls_total: label __x: not a name, or twice",
       [](MetricTable& table) { table.front().labels[0].name = "__x"; }},
      {"metric calls_total: label result: not a name, or twice",
       [](MetricTable& table) { table.front().labels[1].name = "result"; }},
      {"metric versions: label version: needs its values, or what bounds them",
       [](MetricTable& table) { table[3].labels[0].bound.clear(); }},
      {"metric seconds: buckets are missing, superfluous or not ascending",
       [](MetricTable& table) {
         table[4].buckets = {1, 1};
       }},
      {"metric waiting: buckets are missing, superfluous or not ascending",
       [](MetricTable& table) { table[2].buckets = {1}; }},
  };
  for (const auto& test : kCases) {
    MetricTable table = Table();
    test.spoil(table);
    EXPECT_THAT(
        Metrics::Create(std::move(table)),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(test.want)));
  }
}

TEST(MetricsDeathTest, AUseThatTheTableDoesNotHaveIsABug) {
  const auto metrics = Create();
  EXPECT_DEATH(metrics->Add("nothing"), "metric nothing: not in the table");
  EXPECT_DEATH(metrics->Add("waiting"), "metric waiting: used as another kind");
  EXPECT_DEATH(metrics->Add("runs_total"), "another number of labels");
}

TEST(MetricsTest, CountsFromManyThreadsWhileItIsRendered) {
  const auto metrics = Create();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&metrics] {
      for (int n = 0; n < 1000; ++n) {
        metrics->Add("runs_total", {"ok"});
        metrics->Observe("seconds", {}, 0.1);
        metrics->SetAll("versions", {{{absl::StrCat(n % 3)}, 1.0 * n}});
      }
    });
  }
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(metrics->Render().empty());
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(metrics->Render(), HasSubstr("runs_total{result=\"ok\"} 4000\n"));
}

}  // namespace
}  // namespace oneagent
