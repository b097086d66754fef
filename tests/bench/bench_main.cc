// oneagent-bench: publish and unpublish p50, p99 and CPU per call at 0 and at
// 1000 existing mounts, each beside its floor, all from one run.
//
// Floor = an empty RPC (Probe) on the same server + the same system calls in
// this process. The kinds are taken in turn, so that a change of the machine's
// speed meets all of them; what counts are the ratios.
//
//   oneagent-bench --mounter PROGRAM [--rounds N] [--check]
//
// --check: exit 1 when a ratio of medians is above 1.5, or grows from 0 to
// 1000 mounts by more than 1.25.
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/flags.h"
#include "tests/bench/bench_node.h"
#include "tests/bench/floor.h"

namespace oneagent {
namespace {

constexpr double kMostOverFloor = 1.5;
constexpr double kMostGrowth = 1.25;

struct Samples {
  std::vector<absl::Duration> wall;
  absl::Duration cpu;  // of all together

  absl::Duration Quantile(double q) const {
    std::vector<absl::Duration> sorted = wall;
    std::sort(sorted.begin(), sorted.end());
    const auto at = static_cast<size_t>(q * static_cast<double>(sorted.size()));
    return sorted[std::min(at, sorted.size() - 1)];
  }
  absl::Duration CpuPerCall() const {
    return cpu / static_cast<int64_t>(wall.size());
  }
};

struct Round {
  Samples probe, publish, unpublish, floor_publish, floor_unpublish;
};

absl::Duration ThreadCpu() {
  struct timespec used = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return absl::DurationFromTimespec(used);
}

absl::Duration Monotonic() {
  struct timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::DurationFromTimespec(now);
}

void Measure(Samples& samples, const std::function<absl::Duration()>& cpu_clock,
             const std::function<void()>& call) {
  const absl::Duration cpu = cpu_clock();
  const absl::Duration start = Monotonic();
  call();
  samples.wall.push_back(Monotonic() - start);
  samples.cpu += cpu_clock() - cpu;
}

void Require(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << "bench: " << status << "\n";
  exit(1);
}

Round RunRounds(BenchNode& node, Floor& floor, int64_t rounds,
                const std::string& name) {
  Round result;
  const auto mounter_cpu = [&node] { return node.MounterCpu(); };
  // The first calls warm caches and are not counted.
  constexpr int64_t kWarmUp = 20;
  for (int64_t i = -kWarmUp; i < rounds; ++i) {
    Round warm_up;
    Round& into = i < 0 ? warm_up : result;
    const CsiPublishCall ours =
        node.CallFor(absl::StrCat(name, "-o", i + kWarmUp));
    const CsiPublishCall theirs =
        node.CallFor(absl::StrCat(name, "-f", i + kWarmUp));
    MakeKubeletDirs(ours.target_path);
    MakeKubeletDirs(theirs.target_path);
    Measure(into.probe, mounter_cpu,
            [&] { Require(node.client().Probe().status()); });
    Measure(into.floor_publish, ThreadCpu, [&] { floor.Publish(theirs); });
    Measure(into.publish, mounter_cpu,
            [&] { Require(node.client().Publish(ours)); });
    Measure(into.floor_unpublish, ThreadCpu, [&] { floor.Unpublish(theirs); });
    Measure(into.unpublish, mounter_cpu, [&] {
      Require(node.client().Unpublish(ours.volume_id, ours.target_path));
    });
  }
  return result;
}

// One line; the ratio of medians.
double Print(const char* what, int64_t mounts, const Samples& ours,
             const Samples& probe, const Samples& floor) {
  const auto us = [](absl::Duration d) {
    return absl::ToDoubleMicroseconds(d);
  };
  const double least = us(probe.Quantile(0.5)) + us(floor.Quantile(0.5));
  const double ratio = us(ours.Quantile(0.5)) / least;
  const double least_cpu = us(probe.CpuPerCall()) + us(floor.CpuPerCall());
  absl::PrintF("%-10s %6d %9.0f %9.0f %9.0f %6.2f %9.0f %9.0f %6.2f\n", what,
               mounts, us(ours.Quantile(0.5)), us(ours.Quantile(0.99)), least,
               ratio, us(ours.CpuPerCall()), least_cpu,
               us(ours.CpuPerCall()) / least_cpu);
  return ratio;
}

struct Ratios {
  double publish = 0;
  double unpublish = 0;
};

bool Aims(const std::vector<Ratios>& ratios) {
  bool met = true;
  for (const Ratios& ratio : ratios) {
    met = met && ratio.publish <= kMostOverFloor &&
          ratio.unpublish <= kMostOverFloor;
  }
  return met && ratios.back().publish <= kMostGrowth * ratios.front().publish &&
         ratios.back().unpublish <= kMostGrowth * ratios.front().unpublish;
}

int Run(const std::string& mounter, int64_t rounds, bool check) {
  BenchNode node(mounter);
  Floor floor(node);
  std::vector<Ratios> ratios;
  absl::PrintF("%-10s %6s %9s %9s %9s %6s %9s %9s %6s\n", "call", "mounts",
               "p50 us", "p99 us", "floor us", "ratio", "cpu us", "floor us",
               "ratio");
  std::vector<CsiPublishCall> existing;
  for (const int64_t mounts : {int64_t{0}, int64_t{1000}}) {
    while (static_cast<int64_t>(existing.size()) < mounts) {
      existing.push_back(node.CallFor(absl::StrCat("e", existing.size())));
      MakeKubeletDirs(existing.back().target_path);
      Require(node.client().Publish(existing.back()));
    }
    const Round round =
        RunRounds(node, floor, rounds, absl::StrCat("m", mounts));
    ratios.push_back({.publish = Print("publish", mounts, round.publish,
                                       round.probe, round.floor_publish),
                      .unpublish = Print("unpublish", mounts, round.unpublish,
                                         round.probe, round.floor_unpublish)});
  }
  for (const CsiPublishCall& call : existing) {
    Require(node.client().Unpublish(call.volume_id, call.target_path));
  }
  if (!check) return 0;
  const bool met = Aims(ratios);
  absl::PrintF("aim (<= %.1f x floor, growth <= %.2f): %s\n", kMostOverFloor,
               kMostGrowth, met ? "met" : "MISSED");
  return met ? 0 : 1;
}

}  // namespace
}  // namespace oneagent

int main(int argc, char** argv) {
  std::string mounter;
  int64_t rounds = 300;
  bool check = false;
  const auto words = oneagent::ParseFlags(
      {oneagent::StringFlag("mounter", "PROGRAM", "the mounter", &mounter),
       oneagent::IntFlag("rounds", "N", "calls of each kind", &rounds, 10,
                         100000),
       oneagent::SwitchFlag("check", "fail when an aim is missed", &check)},
      argc, argv);
  if (!words.ok() || mounter.empty()) {
    std::cerr << "oneagent-bench: " << words.status().message() << "\n";
    return 2;
  }
  return oneagent::Run(mounter, rounds, check);
}
