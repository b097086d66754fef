#include "tests/soak/plan.h"

#include <iterator>
#include <random>

#include "absl/strings/str_cat.h"

namespace oneagent {
namespace {

class Dice {
 public:
  Dice(uint64_t seed, uint64_t stream, uint64_t number) {
    std::seed_seq mixed({seed, seed >> 32, stream, number, number >> 32});
    random_.seed(mixed);
  }
  // 0 … n - 1. The modulo's bias does not matter here, and unlike the
  // library's distributions it is the same everywhere.
  uint64_t Below(uint64_t n) { return random_() % n; }
  bool Chance(uint64_t percent) { return Below(100) < percent; }
  absl::Duration Milliseconds(int64_t least, int64_t most) {
    const auto span = static_cast<uint64_t>(most - least + 1);
    return absl::Milliseconds(least + static_cast<int64_t>(Below(span)));
  }

 private:
  std::mt19937_64 random_;
};

constexpr uint64_t kFaultStream = 1'000'000;

Step MiddleStep(Dice& dice) {
  const uint64_t drawn = dice.Below(100);
  if (drawn < 35) return Step::kLook;
  if (drawn < 55) return Step::kWrite;
  if (drawn < 75) return Step::kPublish;
  if (drawn < 85) return Step::kPublishTwice;
  if (drawn < 92) return Step::kPublishHasty;
  return Step::kStats;
}

void PlanSteps(Dice& dice, std::vector<Step>& steps) {
  const uint64_t rounds = dice.Chance(15) ? 2 : 1;
  for (uint64_t round = 0; round < rounds; ++round) {
    if (dice.Chance(10)) steps.push_back(Step::kUnpublish);  // of nothing
    if (dice.Chance(15)) steps.push_back(Step::kPublishHasty);
    steps.push_back(dice.Chance(10) ? Step::kPublishTwice : Step::kPublish);
    for (uint64_t left = dice.Below(8); left > 0; --left) {
      steps.push_back(MiddleStep(dice));
    }
    if (dice.Chance(7)) steps.push_back(Step::kRace);
    if (dice.Chance(12)) steps.push_back(Step::kUnpublishHasty);
    if (dice.Chance(10)) steps.push_back(Step::kUnpublishTwice);
    steps.push_back(Step::kUnpublish);
  }
  if (dice.Chance(15)) steps.push_back(Step::kUnpublish);  // once more
}

struct Weight {
  FaultKind kind;
  uint64_t weight;
};
constexpr Weight kStorm[] = {
    {FaultKind::kKillMounter, 12},
    {FaultKind::kStopMounter, 4},
    {FaultKind::kKillProvisioner, 8},
    {FaultKind::kKillBoth, 5},
    {FaultKind::kDeleteIndex, 8},
    {FaultKind::kDamageIndex, 8},
    {FaultKind::kDamageIndexAndKillBoth, 6},
    {FaultKind::kDeleteIndexAndKillProvisioner, 5},
    {FaultKind::kFillDisk, 6},
    {FaultKind::kFreeDisk, 12},
    {FaultKind::kSwitchVersion, 16},
    {FaultKind::kDeleteDynaKube, 3},
    {FaultKind::kApiFault, 10},
    {FaultKind::kCollect, 6},
    {FaultKind::kJumpClock, 6},
};
constexpr Weight kGentle[] = {
    {FaultKind::kSwitchVersion, 8},
    {FaultKind::kCollect, 3},
};

template <size_t n>
FaultKind Choose(Dice& dice, const Weight (&weights)[n]) {
  uint64_t sum = 0;
  for (const Weight& each : weights) sum += each.weight;
  uint64_t drawn = dice.Below(sum);
  for (const Weight& each : weights) {
    if (drawn < each.weight) return each.kind;
    drawn -= each.weight;
  }
  return weights[0].kind;
}

}  // namespace

const char* Name(Step step) {
  switch (step) {
    case Step::kPublish:
      return "publish";
    case Step::kPublishTwice:
      return "publish twice at once";
    case Step::kPublishHasty:
      return "publish hastily";
    case Step::kLook:
      return "look";
    case Step::kWrite:
      return "write";
    case Step::kStats:
      return "stats";
    case Step::kRace:
      return "publish and unpublish at once";
    case Step::kUnpublishHasty:
      return "unpublish hastily";
    case Step::kUnpublishTwice:
      return "unpublish twice at once";
    case Step::kUnpublish:
      return "unpublish";
  }
  return "?";
}

const char* Name(FaultKind kind) {
  switch (kind) {
    case FaultKind::kKillMounter:
      return "kill mounter";
    case FaultKind::kStopMounter:
      return "stop mounter";
    case FaultKind::kKillProvisioner:
      return "kill provisioner";
    case FaultKind::kKillBoth:
      return "kill both";
    case FaultKind::kDeleteIndex:
      return "delete index";
    case FaultKind::kDamageIndex:
      return "damage index";
    case FaultKind::kDamageIndexAndKillBoth:
      return "damage index between kills";
    case FaultKind::kDeleteIndexAndKillProvisioner:
      return "delete index while the provisioner starts";
    case FaultKind::kFillDisk:
      return "fill disk";
    case FaultKind::kFreeDisk:
      return "free disk";
    case FaultKind::kSwitchVersion:
      return "switch version";
    case FaultKind::kDeleteDynaKube:
      return "delete DynaKube";
    case FaultKind::kApiFault:
      return "tenant API fault";
    case FaultKind::kCollect:
      return "collect";
    case FaultKind::kJumpClock:
      return "jump clock";
  }
  return "?";
}

std::string VersionOf(int number) {
  return absl::StrCat("1.30", number + 1, ".0.2026010", number + 1, "-00000",
                      number + 1);
}

LifePlan PlanLife(uint64_t seed, int actor, int64_t number) {
  Dice dice(seed, static_cast<uint64_t>(actor), static_cast<uint64_t>(number));
  LifePlan plan;
  plan.pod = absl::StrCat("p", actor, "-", number);
  const bool is_known = dice.Chance(92);
  const uint64_t which = dice.Below(std::size(kDynaKubes));
  plan.dynakube = is_known ? kDynaKubes[which] : "nobody";
  plan.is_host = dice.Chance(12);
  plan.read_only = dice.Chance(25);
  plan.has_pod_layer = dice.Chance(40);
  // Nobody waits ten minutes for a DynaKube that will never be there.
  constexpr int kTimeouts[] = {0, 1, 2, 600};
  const uint64_t timeout = dice.Below(std::size(kTimeouts));
  plan.retry_timeout =
      absl::Seconds(kTimeouts[is_known ? timeout : timeout % 3]);
  plan.haste = dice.Milliseconds(0, 6);
  plan.says_haste = dice.Chance(50);
  plan.patience = dice.Milliseconds(200, 30'000);
  plan.sample = static_cast<int>(dice.Below(50));
  PlanSteps(dice, plan.steps);
  return plan;
}

FaultPlan PlanFault(uint64_t seed, int64_t number, bool gentle) {
  Dice dice(seed, kFaultStream + (gentle ? 1 : 0),
            static_cast<uint64_t>(number));
  FaultPlan plan;
  plan.kind = gentle ? Choose(dice, kGentle) : Choose(dice, kStorm);
  plan.pause = dice.Milliseconds(0, gentle ? 600 : 250);
  // Half of all are back at once.
  plan.downtime = dice.Milliseconds(-300, 300);
  plan.damage = static_cast<Damage>(dice.Below(5));
  plan.trouble = static_cast<ApiTrouble>(dice.Below(5));
  plan.dynakube = static_cast<int>(dice.Below(std::size(kDynaKubes)));
  plan.number = dice.Below(1'000'000);
  plan.clock_step =
      absl::Seconds(static_cast<int64_t>(dice.Below(14'401)) - 7'200);
  if (dice.Chance(50)) plan.clock_step /= 1000;
  return plan;
}

}  // namespace oneagent
