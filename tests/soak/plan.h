// What the run will do, drawn from its seed alone: the lives of pods and the
// faults of the node. The same seed gives the same plans; how they interleave
// is the machine's. Pure.
#ifndef TESTS_SOAK_PLAN_H_
#define TESTS_SOAK_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace oneagent {

enum class Step {
  kPublish,       // again and again until it is OK, as kubelet does
  kPublishTwice,  // two equal calls at once
  kPublishHasty,  // once; the client is gone in the middle
  kLook,
  kWrite,
  kStats,
  kRace,  // publish and unpublish at once
  kUnpublishHasty,
  kUnpublishTwice,
  kUnpublish,
};
const char* Name(Step step);

// One pod with one volume. Its volume id is used by no other life.
struct LifePlan {
  std::string pod;
  std::string dynakube;
  bool is_host = false;
  bool read_only = false;
  bool has_pod_layer = false;
  absl::Duration retry_timeout;
  absl::Duration haste;     // how long a hasty client waits
  bool says_haste = false;  // it tells its deadline
  absl::Duration patience;  // how long the pod lives without its volume
  int sample = 0;           // which file of the agent it looks at and writes
  std::vector<Step> steps;  // ends with kUnpublish
};
LifePlan PlanLife(uint64_t seed, int actor, int64_t number);

inline constexpr const char* kDynaKubes[] = {"alpha", "beta", "gamma"};
inline constexpr int kVersions = 4;
std::string VersionOf(int number);  // 0 … kVersions - 1

enum class FaultKind {
  kKillMounter,
  kStopMounter,  // SIGTERM
  kKillProvisioner,
  kKillBoth,
  kDeleteIndex,
  kDamageIndex,
  kDamageIndexAndKillBoth,
  kDeleteIndexAndKillProvisioner,
  kFillDisk,
  kFreeDisk,
  kSwitchVersion,
  kDeleteDynaKube,
  kApiFault,
  kCollect,
  kJumpClock,
};
const char* Name(FaultKind kind);

enum class Damage { kHeader, kPage, kCut, kText, kNothing };
enum class ApiTrouble { kError, kBusy, kCut, kSlow, kNonsense };

// Fields that the kind does not need are drawn all the same.
struct FaultPlan {
  FaultKind kind = FaultKind::kCollect;
  absl::Duration pause;     // before it
  absl::Duration downtime;  // of what it kills
  Damage damage = Damage::kHeader;
  ApiTrouble trouble = ApiTrouble::kError;
  int dynakube = 0;
  uint64_t number = 0;        // which version, which page
  absl::Duration clock_step;  // -2h … 2h
};
// `gentle`: only what must not be noticed by any pod.
FaultPlan PlanFault(uint64_t seed, int64_t number, bool gentle);

}  // namespace oneagent

#endif  // TESTS_SOAK_PLAN_H_
