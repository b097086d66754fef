#include "tests/soak/soak_run.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"

namespace oneagent {
namespace {

constexpr absl::Duration kStorm = absl::Seconds(9);
constexpr absl::Duration kCalm = absl::Seconds(3);
constexpr int kRoundsToQuiet = 2;
constexpr absl::Duration kLongestRecovery = absl::Seconds(60);
constexpr absl::Duration kLongestDrain = absl::Seconds(90);
// Of the whole run, at its end.
constexpr double kSteadyShare = 0.3;
constexpr int64_t kWarmUp = 20'000;
constexpr int64_t kSteadyOperations = 100'000;
constexpr double kMostGrowth = 1.05;
constexpr int kDescriptorNoise = 2;

// What doctor may say while pods come and go.
bool IsOfPodsAlone(const std::string& check) {
  return check == "volume-empty" || check == "volume-waiting" ||
         check == "volume-mounting" || check == "trash-leftover";
}

}  // namespace

SoakRun::SoakRun(const SoakOptions& options)
    : options_(options),
      ground_(options.ground),
      journal_(options.most_violations),
      world_{.kubelet_dir = ground_.kubelet_dir(),
             .socket = ground_.socket(),
             .journal = journal_,
             .weather = weather_,
             .versions = versions_},
      faults_(ground_, journal_, weather_, versions_),
      start_(absl::Now()) {}

bool SoakRun::Run() {
  faults_.Begin();
  pods_ = std::make_unique<Pods>(Pods::Options{.seed = options_.seed}, world_);
  const absl::Time end = start_ + options_.length;
  const absl::Time steady = end - kSteadyShare * options_.length;
  for (int round = 1; absl::Now() < steady && !journal_.is_over(); ++round) {
    Storm(kStorm);
    Calm(kCalm);
    if (round % kRoundsToQuiet == 0) {
      Drain();
      CheckNothingIsLeft();
      pods_->Resume();
    }
    weather_.Set([](Weather& weather) { weather.is_calm = false; });
  }
  Steady(end);
  if (!journal_.is_over()) faults_.Finish();
  pods_.reset();
  PrintSummary();
  return journal_.violations() == 0;
}

void SoakRun::Storm(absl::Duration length) {
  const absl::Time end = absl::Now() + length;
  while (absl::Now() < end && !journal_.is_over()) {
    faults_.Inject(PlanFault(options_.seed, storm_faults_++, /*gentle=*/false));
    faults_.Supervise();
  }
  PrintProgress("storm");
}

void SoakRun::Calm(absl::Duration length) {
  if (journal_.is_over()) return;
  faults_.ClearUp();
  if (!AwaitWellness()) return;
  weather_.Set([](Weather& weather) {
    weather.is_calm = true;
    ++weather.calms;
  });
  journal_.NoteFault("calm");
  SteadyUntil(absl::Now() + length, journal_.operations() + kSteadyOperations);
}

// Until all DynaKubes have what is wanted and doctor has nothing to say that is
// not the pods' own.
bool SoakRun::AwaitWellness() {
  const absl::Time deadline = absl::Now() + kLongestRecovery;
  std::string said;
  while (absl::Now() < deadline && !journal_.is_over()) {
    absl::SleepFor(absl::Milliseconds(100));
    faults_.Supervise();
    ground_.ForgetDamagedIndexes();
    if (!faults_.SettleWhatIsReady()) {
      said = ground_.Cli({"tenants"}).out;
      continue;
    }
    const auto findings =
        ground_.CliRows("doctor", {"--endpoint", ground_.socket()});
    const auto bad = std::find_if(
        findings.begin(), findings.end(),
        [](const auto& row) { return !IsOfPodsAlone(row.at("check")); });
    if (bad == findings.end()) return true;
    said = absl::StrJoin(*bad, "; ", absl::PairFormatter("="));
  }
  Violate(absl::StrCat("the node is not well a minute after the last fault: ",
                       said));
  return false;
}

// Gentle faults, and every wish granted soon.
void SoakRun::SteadyUntil(absl::Time until, int64_t operations) {
  absl::Time granted = absl::Now();
  while (absl::Now() < until && journal_.operations() < operations &&
         !journal_.is_over()) {
    faults_.Inject(PlanFault(options_.seed, gentle_faults_++, /*gentle=*/true));
    faults_.Supervise();
    if (faults_.SettleWhatIsReady()) granted = absl::Now();
    if (absl::Now() > granted + kLongestRecovery) {
      Violate(absl::StrCat("a version is not installed in a minute: ",
                           ground_.Cli({"tenants"}).out));
    }
  }
}

void SoakRun::Drain() {
  if (journal_.is_over()) return;
  if (!pods_->Drain(kLongestDrain)) Violate("pods do not come to their end");
  journal_.NoteFault("drained");
}

void SoakRun::CheckNothingIsLeft() {
  if (journal_.is_over()) return;
  if (const auto mounts = MountsBelow(ground_.kubelet_dir()); !mounts.empty()) {
    Violate(absl::StrCat("left mounted: ", absl::StrJoin(mounts, ", ")));
  }
  AwaitEmptyBooks();
  CheckAgents();
  const ProgramResult verified = ground_.Cli({"verify"});
  if (verified.exit_code != 0) {
    Violate(absl::StrCat("verify: ", verified.out, verified.err));
  }
  AwaitDoctor();
  PrintProgress("quiet");
}

void SoakRun::AwaitEmptyBooks() {
  const absl::Time deadline = absl::Now() + kLongestRecovery;
  for (;;) {
    std::vector<std::string> left = ground_.ListDataDir("volumes");
    for (const auto& row : ground_.CliRows("volumes")) {
      left.push_back(row.at("volumeId"));
    }
    if (left.empty()) return;
    if (absl::Now() > deadline) {
      return Violate(absl::StrCat("left behind: ", absl::StrJoin(left, ", ")));
    }
    absl::SleepFor(absl::Milliseconds(100));
  }
}

void SoakRun::AwaitDoctor() {
  const absl::Time deadline = absl::Now() + kLongestRecovery;
  for (;;) {
    const ProgramResult doctor =
        ground_.Cli({"doctor", "--endpoint", ground_.socket()});
    if (doctor.exit_code == 0) return;
    if (absl::Now() > deadline) {
      return Violate(absl::StrCat("doctor: ", doctor.out, doctor.err));
    }
    absl::SleepFor(absl::Milliseconds(200));
  }
}

// Those that are wanted, and no other.
void SoakRun::CheckAgents() {
  const absl::Time deadline = absl::Now() + kLongestRecovery;
  while (!faults_.SettleWhatIsReady() && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(50));
  }
  const ProgramResult collected =
      ground_.Cli({"gc", "--now", "--grace-period=0s", "--keep-versions=0"});
  std::set<std::string> wanted;
  for (const char* const dynakube : kDynaKubes) {
    wanted.insert(versions_.Wanted(dynakube));
  }
  std::set<std::string> found;
  for (const auto& row : ground_.CliRows("agents")) {
    found.insert(row.at("version"));
  }
  // A tree and its manifest.
  const std::vector<std::string> names = ground_.ListDataDir("agents");
  if (found == wanted && names.size() == 2 * wanted.size()) return;
  Violate(absl::StrCat("agents wanted: ", absl::StrJoin(wanted, ", "),
                       "; in the index: ", absl::StrJoin(found, ", "),
                       "; on disk: ", absl::StrJoin(names, ", "),
                       "; gc: ", collected.out, collected.err));
}

SoakRun::Figures SoakRun::TakeFigures() {
  // What is freed goes back to the system within a second.
  absl::SleepFor(absl::Seconds(3));
  return {.mounter = FiguresOf(ground_.mounter()->pid()),
          .provisioner = FiguresOf(ground_.provisioner()->pid()),
          .operations = journal_.operations()};
}

void SoakRun::Steady(absl::Time until) {
  if (journal_.is_over()) return;
  faults_.StartBothAnew();
  Calm(absl::ZeroDuration());
  const absl::Time middle = absl::Now() + 0.25 * (until - absl::Now());
  SteadyUntil(middle, journal_.operations() + kWarmUp);
  Drain();
  CheckNothingIsLeft();
  if (journal_.is_over()) return;
  const Figures begin = TakeFigures();
  pods_->Resume();
  SteadyUntil(until, begin.operations + kSteadyOperations);
  Drain();
  CheckNothingIsLeft();
  if (!journal_.is_over()) CompareFigures(begin, TakeFigures());
}

void SoakRun::CompareFigures(const Figures& begin, const Figures& end) {
  const int64_t operations = end.operations - begin.operations;
  const auto compare = [&](const char* who, const ProcessFigures& before,
                           const ProcessFigures& after) {
    absl::PrintF(
        "%s over %d operations: RSS %d -> %d KiB, descriptors %d -> "
        "%d\n",
        who, operations, before.rss_kib, after.rss_kib, before.descriptors,
        after.descriptors);
    const double rss = static_cast<double>(before.rss_kib);
    if (operations >= kSteadyOperations &&
        static_cast<double>(after.rss_kib) > kMostGrowth * rss) {
      Violate(absl::StrCat(who, " grows"));
    }
    if (after.descriptors > before.descriptors + kDescriptorNoise) {
      Violate(absl::StrCat(who, " leaks descriptors: ", before.descriptors,
                           " -> ", after.descriptors));
    }
  };
  compare("mounter", begin.mounter, end.mounter);
  compare("provisioner", begin.provisioner, end.provisioner);
}

void SoakRun::PrintProgress(const char* what) {
  const absl::Duration passed = absl::Now() - start_;
  absl::PrintF("%6.1f s  %-6s %8d operations, %d a minute\n",
               absl::ToDoubleSeconds(passed), what, journal_.operations(),
               static_cast<int64_t>(static_cast<double>(journal_.operations()) /
                                    absl::ToDoubleMinutes(passed)));
  fflush(stdout);
}

void SoakRun::PrintSummary() {
  for (const auto& [what, times] : journal_.Tallies()) {
    absl::PrintF("%9d  %s\n", times, what);
  }
  PrintProgress("end");
  if (journal_.violations() == 0) return;
  absl::PrintF("\nseed %d\n%s", options_.seed, journal_.Accounts());
  for (Daemon* const daemon : {ground_.mounter(), ground_.provisioner()}) {
    absl::PrintF("%s\n", daemon->IsRunning()
                             ? "runs"
                             : absl::StrCat("ended with ", daemon->Wait()));
  }
  absl::PrintF("%s", absl::StrJoin(MountsBelow(ground_.kubelet_dir()), "\n"));
  ground_.KeepDataDir();
  absl::PrintF("\nlogs and data directory: %s\n", options_.ground.keep_dir);
}

}  // namespace oneagent
