#include "tests/soak/faults.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace oneagent {
namespace {

constexpr char kProvisioner[] = "oneagent-csi-provisioner";

}  // namespace

void Faults::Begin() {
  for (const char* const dynakube : kDynaKubes) {
    versions_.Want(dynakube, VersionOf(0));
    ground_.ApplyDynaKube(dynakube, VersionOf(0));
  }
  ReviveMounter();
  ReviveProvisioner();
}

void Faults::KillMounter(bool gently) {
  weather_.Set([](Weather& weather) {
    weather.mounter_is_up = false;
    ++weather.mounter_ends;
    if (weather.disk_is_full) ++weather.memory_losses;
  });
  if (gently) {
    if (const int code = ground_.mounter()->Terminate(); code != 0) {
      Violate(absl::StrCat("the mounter exited with ", code, " after SIGTERM"));
    }
  } else {
    ground_.mounter()->Kill();
  }
}

void Faults::ReviveMounter() {
  if (!ground_.StartMounter()) {
    return Violate("the mounter does not answer after a start");
  }
  weather_.Set([](Weather& weather) { weather.mounter_is_up = true; });
}

void Faults::KillProvisioner() { ground_.provisioner()->Kill(); }

void Faults::ReviveProvisioner() {
  provisioner_saw_full_disk_ = weather_.Now().disk_is_full;
  ground_.StartProvisioner();
}

void Faults::Inject(const FaultPlan& plan) {
  absl::SleepFor(plan.pause);
  journal_.CountOperation();
  journal_.NoteFault(Name(plan.kind));
  journal_.Tally(absl::StrCat("fault: ", Name(plan.kind)));
  const std::string dynakube = kDynaKubes[plan.dynakube];
  switch (plan.kind) {
    case FaultKind::kKillMounter:
    case FaultKind::kStopMounter:
      KillMounter(plan.kind == FaultKind::kStopMounter);
      absl::SleepFor(plan.downtime);
      return ReviveMounter();
    case FaultKind::kKillProvisioner:
      KillProvisioner();
      absl::SleepFor(plan.downtime);
      return ReviveProvisioner();
    case FaultKind::kKillBoth:
    case FaultKind::kDamageIndexAndKillBoth:
      KillMounter(/*gently=*/false);
      KillProvisioner();
      if (plan.kind == FaultKind::kDamageIndexAndKillBoth) {
        ground_.DamageIndex(plan.damage, plan.number);
      }
      absl::SleepFor(plan.downtime);
      ReviveProvisioner();
      return ReviveMounter();
    case FaultKind::kDeleteIndex:
      return ground_.DeleteIndex();
    case FaultKind::kDamageIndex:
      return ground_.DamageIndex(plan.damage, plan.number);
    case FaultKind::kDeleteIndexAndKillProvisioner:
      return DeleteIndexWhileProvisionerStarts();
    case FaultKind::kFillDisk:
      weather_.Set([](Weather& weather) {
        weather.disk_is_full = true;
        ++weather.full_disks;
      });
      provisioner_saw_full_disk_ = true;
      return ground_.FillDisk();
    case FaultKind::kFreeDisk:
      ground_.FreeDisk();
      return weather_.Set(
          [](Weather& weather) { weather.disk_is_full = false; });
    case FaultKind::kSwitchVersion:
      return SwitchVersion(dynakube, plan.number, kVersions - 2);
    case FaultKind::kDeleteDynaKube:
      return DeleteDynaKube(dynakube);
    case FaultKind::kApiFault:
      return TroubleApi(plan.trouble);
    case FaultKind::kCollect:
      return Collect();
    case FaultKind::kJumpClock:
      return JumpClock(plan.clock_step);
  }
}

void Faults::Supervise() {
  if (!ground_.mounter()->IsRunning()) {
    Violate(absl::StrCat("the mounter ended by itself with ",
                         ground_.mounter()->Wait()));
  }
  if (ground_.provisioner()->IsRunning()) return;
  const int code = ground_.provisioner()->Wait();
  if (provisioner_saw_full_disk_ && code == 1) {
    journal_.Tally("provisioner found no room to start");
  } else {
    Violate(absl::StrCat("the provisioner ended by itself with ", code));
  }
  ReviveProvisioner();
}

// A version that is none of those since the last settled one, so that it can be
// seen when it is there; at most `most_recent` such wishes.
void Faults::SwitchVersion(const std::string& dynakube, uint64_t number,
                           size_t most_recent) {
  const std::set<std::string> recent = versions_.Recent(dynakube);
  std::vector<std::string> fresh;
  for (int i = 0; i < kVersions; ++i) {
    if (!recent.contains(VersionOf(i))) fresh.push_back(VersionOf(i));
  }
  if (kVersions - fresh.size() > most_recent) return;
  const std::string& version = fresh[number % fresh.size()];
  journal_.NoteFault(absl::StrCat(dynakube, " wants ", version));
  // Before it is written: a pod may have it at once.
  versions_.Want(dynakube, version);
  ground_.ApplyDynaKube(dynakube, version);
}

void Faults::DeleteDynaKube(const std::string& dynakube) {
  if (versions_.Wanted(dynakube).empty()) return;
  versions_.Want(dynakube, "");
  ground_.DeleteDynaKube(dynakube);
}

void Faults::TroubleApi(ApiTrouble trouble) {
  switch (trouble) {
    case ApiTrouble::kError:
      return ground_.tenant().AddFault("/deployment/", Fault::Status(500));
    case ApiTrouble::kBusy:
      return ground_.tenant().AddFault("/deployment/",
                                       Fault::Status(503, "1", 2));
    case ApiTrouble::kCut:
      return ground_.tenant().AddFault("/version/", Fault::Cut(2000));
    case ApiTrouble::kSlow:
      return ground_.tenant().AddFault("/version/", Fault::Stall(3000));
    case ApiTrouble::kNonsense:
      return ground_.tenant().AddFault("/deployment/",
                                       Fault::Body("{\"nonsense\": "));
  }
}

void Faults::DeleteIndexWhileProvisionerStarts() {
  KillProvisioner();
  ReviveProvisioner();
  for (int left = 12; left > 0; --left) {
    ground_.DeleteIndex();
    absl::SleepFor(absl::Milliseconds(3));
  }
}

void Faults::JumpClock(absl::Duration by) {
  if (!ground_.can_shift_clock()) return;
  journal_.NoteFault(absl::StrCat("clock by ", absl::FormatDuration(by)));
  ground_.ShiftClock(by);
  NoteClockJump();
}

// Files keep the machine's time, by which their age would be wrong.
void Faults::SetClockRight() {
  if (!ground_.can_shift_clock()) return;
  ground_.SetClockRight();
  NoteClockJump();
}

void Faults::NoteClockJump() {
  weather_.Set([](Weather& weather) {
    ++weather.clock_jumps;
    weather.last_clock_jump = absl::Now();
  });
}

void Faults::Collect() {
  ground_.Cli({"gc", "--now", "--grace-period=0s", "--keep-versions=0"});
}

void Faults::ClearUp() {
  journal_.NoteFault("clear up");
  ground_.FreeDisk();
  weather_.Set([](Weather& weather) { weather.disk_is_full = false; });
  ground_.tenant().ClearFaults();
  SetClockRight();
  // Killed once more, so that no retry of it waits for minutes.
  KillProvisioner();
  ReviveProvisioner();
  for (const char* const dynakube : kDynaKubes) {
    SwitchVersion(dynakube, /*number=*/0, kVersions - 1);
  }
  Supervise();
}

void Faults::StartBothAnew() {
  KillMounter(/*gently=*/true);
  KillProvisioner();
  ReviveMounter();
  ReviveProvisioner();
}

bool Faults::SettleWhatIsReady() {
  std::map<std::string, std::string> wanted;
  for (const char* const dynakube : kDynaKubes) {
    wanted[dynakube] = versions_.Wanted(dynakube);
  }
  size_t settled = 0;
  for (const auto& row : ground_.CliRows("tenants")) {
    const std::string& dynakube = row.at("dynakube");
    const auto found = wanted.find(dynakube);
    if (found == wanted.end() || row.at("version") != found->second ||
        row.at("state") != "ready") {
      continue;
    }
    versions_.Settle(dynakube);
    ++settled;
  }
  return settled == wanted.size();
}

void Faults::Finish() {
  KillMounter(/*gently=*/true);
  if (const int code = ground_.provisioner()->Terminate(); code != 0) {
    Violate(absl::StrCat(kProvisioner, " exited with ", code));
  }
}

}  // namespace oneagent
