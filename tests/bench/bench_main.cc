// oneagent-bench: publish and unpublish p50, p99 and CPU per call at 0 and at
// 1000 existing mounts, each beside its floor, all from one run.
//
// Floor = an empty RPC (Probe) on the same server + the same system calls in
// this process. The kinds are taken in turn, so that a change of the machine's
// speed meets all of them; what counts are the ratios.
//
//   oneagent-bench --mounter PROGRAM [--rounds N] [--check]
//
// --check: exit 1 when p50 or CPU is above 1.5 x its floor, p50 grows from 0
// to 1000 mounts by more than a quarter, a mounter that is started over 1000
// volumes takes longer than 100 ms to answer (50 ms for 500), or a Probe does
// under 200 publishes at once (p99).
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
#include "tests/support/publish_burst.h"

namespace oneagent {
namespace {

constexpr double kMostOverFloor = 1.5;
constexpr double kMostGrowth = 1.25;
constexpr int64_t kExistingMounts = 1000;
constexpr absl::Duration kLongestStart = absl::Milliseconds(100);
constexpr int kBurst = 200;
constexpr absl::Duration kLongestProbe = absl::Milliseconds(100);

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

// What --check looks at.
struct Verdict {
  double p50_us = 0;
  double p50_ratio = 0;
  double cpu_ratio = 0;
};

Verdict Print(const char* what, int64_t mounts, const Samples& ours,
              const Samples& probe, const Samples& floor) {
  const auto us = [](absl::Duration d) {
    return absl::ToDoubleMicroseconds(d);
  };
  const auto least = [&](double q) {
    return us(probe.Quantile(q)) + us(floor.Quantile(q));
  };
  const double least_cpu = us(probe.CpuPerCall()) + us(floor.CpuPerCall());
  const Verdict verdict = {.p50_us = us(ours.Quantile(0.5)),
                           .p50_ratio = us(ours.Quantile(0.5)) / least(0.5),
                           .cpu_ratio = us(ours.CpuPerCall()) / least_cpu};
  absl::PrintF(
      "%-10s %6d %7.0f %7.0f %6.2f %7.0f %7.0f %6.2f %7.0f %7.0f %6.2f\n", what,
      mounts, verdict.p50_us, least(0.5), verdict.p50_ratio,
      us(ours.Quantile(0.99)), least(0.99),
      us(ours.Quantile(0.99)) / least(0.99), us(ours.CpuPerCall()), least_cpu,
      verdict.cpu_ratio);
  return verdict;
}

struct Verdicts {
  Verdict publish;
  Verdict unpublish;
};

bool MeetsAims(const std::vector<Verdicts>& verdicts) {
  bool met = true;
  for (const Verdicts& each : verdicts) {
    for (const Verdict& verdict : {each.publish, each.unpublish}) {
      met = met && verdict.p50_ratio <= kMostOverFloor &&
            verdict.cpu_ratio <= kMostOverFloor;
    }
  }
  const Verdicts& first = verdicts.front();
  const Verdicts& last = verdicts.back();
  return met && last.publish.p50_us <= kMostGrowth * first.publish.p50_us &&
         last.unpublish.p50_us <= kMostGrowth * first.unpublish.p50_us;
}

// p99 of Probe while a node's pods start all at once.
absl::Duration ProbeUnderBurst(BenchNode& node) {
  std::vector<CsiPublishCall> calls;
  for (int i = 0; i < kBurst; ++i) {
    calls.push_back(node.CallFor(absl::StrCat("b", i)));
    MakeKubeletDirs(calls.back().target_path);
  }
  const BurstResult burst = ProbeWhilePublishing(node.socket(), calls);
  for (const CsiPublishCall& call : calls) {
    Require(node.client().Unpublish(call.volume_id, call.target_path));
  }
  if (!burst.failures.empty()) {
    Require(absl::UnavailableError(burst.failures.front()));
  }
  const Samples probes = {.wall = burst.probes, .cpu = {}};
  const auto ms = [&](double q) {
    return absl::ToDoubleMilliseconds(probes.Quantile(q));
  };
  absl::PrintF(
      "probe under %d publishes at once: p50 %.1f ms, p99 %.1f ms, max %.1f "
      "ms (%d probes)\n",
      kBurst, ms(0.5), ms(0.99), ms(1), probes.wall.size());
  return probes.Quantile(0.99);
}

int Run(const std::string& mounter, int64_t rounds, bool check) {
  BenchNode node(mounter);
  Floor floor(node);
  std::vector<Verdicts> verdicts;
  absl::PrintF("%-10s %6s %7s %7s %6s %7s %7s %6s %7s %7s %6s\n", "call",
               "mounts", "p50 us", "floor", "ratio", "p99 us", "floor", "ratio",
               "cpu us", "floor", "ratio");
  std::vector<CsiPublishCall> existing;
  for (const int64_t mounts : {int64_t{0}, kExistingMounts}) {
    while (static_cast<int64_t>(existing.size()) < mounts) {
      existing.push_back(node.CallFor(absl::StrCat("e", existing.size())));
      MakeKubeletDirs(existing.back().target_path);
      Require(node.client().Publish(existing.back()));
    }
    const Round round =
        RunRounds(node, floor, rounds, absl::StrCat("m", mounts));
    verdicts.push_back(
        {.publish = Print("publish", mounts, round.publish, round.probe,
                          round.floor_publish),
         .unpublish = Print("unpublish", mounts, round.unpublish, round.probe,
                            round.floor_unpublish)});
  }
  const absl::Duration probe = ProbeUnderBurst(node);
  const absl::Duration start = node.RestartMounter();
  absl::PrintF("start over %d volumes, exec to first RPC: %.0f ms\n",
               kExistingMounts, absl::ToDoubleMilliseconds(start));
  for (const CsiPublishCall& call : existing) {
    Require(node.client().Unpublish(call.volume_id, call.target_path));
  }
  if (!check) return 0;
  const bool met =
      MeetsAims(verdicts) && start <= kLongestStart && probe <= kLongestProbe;
  absl::PrintF(
      "aims (p50 and CPU <= %.1f x floor, flat, start <= %s, probe <= %s): "
      "%s\n",
      kMostOverFloor, absl::FormatDuration(kLongestStart),
      absl::FormatDuration(kLongestProbe), met ? "met" : "MISSED");
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
