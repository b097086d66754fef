// What is true of a volume, judged from all that is known of it: memory, row,
// record, and what stands at its target. Pure; the one place that decides whom
// to believe when they contradict each other:
//   - the kernel before all of them;
//   - memory (what the index would not take) before row and record;
//   - a record `empty` before its row, because it is written first;
//   - else the row before the record, which stays `mounting` for as long as
//     the volume is mounted.
// What is of an earlier boot says nothing about this one: no mount outlives it.
//
// Publish, unpublish, reconcile, collection, stats and doctor execute verdicts.
#ifndef CSI_VOLUME_VERDICT_H_
#define CSI_VOLUME_VERDICT_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "cache/index/rows.h"

namespace oneagent {

enum class TargetView {
  kGone,
  kDirectory,  // bare or full: what is in it does not say whose it is
  kAgent,      // our overlay, or our storage of mode host
  kNotice,     // our tmpfs: an empty volume
  kForeign,    // something is mounted that is not ours
  kMount,      // something is mounted; no one has looked closer
  kUnknown,    // cannot be told now
};

struct Evidence {
  std::optional<VolumeRow> memory = {};
  std::optional<VolumeRow> row = {};
  std::optional<VolumeRow> record = {};  // none, too, when it is damaged
  TargetView target = TargetView::kUnknown;
  // What the mount table shows of the volume: `mounted` with its agent, or
  // `empty`. Set with kAgent and kNotice, but for mode host.
  std::optional<VolumeRow> shown = {};
};

enum class Fate {
  kNothing,        // nothing is known and nothing is mounted
  kOfEarlierBoot,  // what is known is of an earlier boot
  kWaiting,        // has failed so far
  kUnfinished,     // its mount was begun, and is not there
  kMounted,        // it is mounted and needs its lease
  kLost,           // was mounted; somebody else has unmounted it
  kEmpty,          // published without an agent
  kForeign,        // the target is in use by a mount that is none of ours
  kInDoubt,        // cannot be told: nothing of it may be touched
};

struct Verdict {
  Fate fate = Fate::kInDoubt;
  // What should be on record: of kUnfinished as having failed, of kMounted and
  // kEmpty as published. Of kOfEarlierBoot what was on record then. Has no id
  // when nothing is known (kNothing, kForeign, kInDoubt).
  VolumeRow volume = {};
  // Memory, row and record of this boot had nothing: the kernel alone knows.
  bool is_recovered = false;
};

Verdict Judge(const Evidence& evidence, absl::string_view boot_id);

// Reasons that a verdict gives.
inline constexpr char kLostRecord[] =
    "found in the mount table, its record is lost";
inline constexpr char kInterrupted[] =
    "the mounter ended while it published the volume";

}  // namespace oneagent

#endif  // CSI_VOLUME_VERDICT_H_
