// Judges what doctor has gathered. Pure: facts in, findings out, in a stable
// order.
#ifndef CACHE_INSPECT_DIAGNOSE_H_
#define CACHE_INSPECT_DIAGNOSE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "cache/inspect/node_facts.h"

namespace oneagent {

// One thing that is not as it should be.
struct Finding {
  std::string check;    // stable name: "agent-without-tree"
  std::string subject;  // what it is about: an id, a path
  std::string problem;  // what is wrong
  std::string advice;   // what to do about it

  bool operator==(const Finding&) const = default;
};

struct DiagnoseLimits {
  int64_t min_free_percent = 10;  // below it kubelet evicts pods
  absl::Duration leftover_age = absl::Hours(1);
  // Partial downloads are kept this long, to be resumed.
  absl::Duration part_age = absl::Hours(24);
  // A volume that has been waiting, or being mounted, for longer is stuck.
  absl::Duration patience = absl::Minutes(1);
  // How long a DynaKube may wait for what it lacks.
  absl::Duration tenant_wait = absl::Minutes(10);
};

std::vector<Finding> Diagnose(const NodeFacts& facts,
                              const DiagnoseLimits& limits);

// The parts of Diagnose.
void DiagnoseHome(const NodeFacts& facts, const DiagnoseLimits& limits,
                  std::vector<Finding>* findings);
void DiagnoseOverlays(const NodeFacts& facts, std::vector<Finding>* findings);
void DiagnoseSocket(const SocketFacts& socket, std::vector<Finding>* findings);
void DiagnoseReference(const ReferenceFacts& reference,
                       std::vector<Finding>* findings);
void DiagnoseTrees(const NodeFacts& facts, std::vector<Finding>* findings);
void DiagnoseTenants(const NodeFacts& facts, const DiagnoseLimits& limits,
                     std::vector<Finding>* findings);
void DiagnoseVolumes(const NodeFacts& facts, const DiagnoseLimits& limits,
                     std::vector<Finding>* findings);

// By which way the mounter mounts overlays in this boot, and what the other
// ways answered; empty when that is not known.
std::string OverlayWay(const NodeFacts& facts);

// Those of `second` that `first` has too (same check and subject): what was
// seen once only has passed by.
std::vector<Finding> Persisting(const std::vector<Finding>& first,
                                const std::vector<Finding>& second);

}  // namespace oneagent

#endif  // CACHE_INSPECT_DIAGNOSE_H_
