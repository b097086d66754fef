// How the mounter's own housekeeping keeps out of the way of publish and
// unpublish: whatever touches one volume runs under that volume's key.
#ifndef CSI_VOLUME_GUARD_H_
#define CSI_VOLUME_GUARD_H_

#include <functional>
#include <string>

namespace oneagent {

// Runs `work` while no other work runs for `volume_id`, and returns when it is
// done: true, or false when it was not run (the daemon is draining, or the
// volume was busy for too long). Must not be called under another volume's key.
using VolumeGuard = std::function<bool(const std::string& volume_id,
                                       const std::function<void()>& work)>;

// For when nothing else runs yet: at start, before serving.
inline bool RunUnguarded(const std::string& /*volume_id*/,
                         const std::function<void()>& work) {
  work();
  return true;
}

}  // namespace oneagent

#endif  // CSI_VOLUME_GUARD_H_
