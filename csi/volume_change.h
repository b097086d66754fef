// What housekeeping did to one volume, beside what the calls for it did: told
// one by one, so that a volume's story can be followed by its id.
#ifndef CSI_VOLUME_CHANGE_H_
#define CSI_VOLUME_CHANGE_H_

#include <functional>
#include <string>

namespace oneagent {

enum class VolumeChange {
  kRecovered,   // known again, from the mount table alone
  kRolledBack,  // its mount was never finished, or is of an earlier boot
  kUnknown,     // could not be looked at: kept as it is
  kRecorded,    // the index took what it had refused
  kCollected,   // its pod is gone
};

// May be empty. Called under the volume's key: must not block.
using VolumeChangeObserver =
    std::function<void(const std::string& volume_id, VolumeChange change)>;

}  // namespace oneagent

#endif  // CSI_VOLUME_CHANGE_H_
