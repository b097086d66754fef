// DynaKubes from a directory of manifests: every *.yaml, *.yml and *.json in
// it (not below it), also where they are links, as in a mounted ConfigMap
// (a.yaml -> ..data/a.yaml). Names that start with a dot are not read.
//
// Watched by inotify; what happens behind a link that leads elsewhere is only
// seen by the next List. Where the node's inotify instances or watches are used
// up, the directory is looked at each second. List and WaitForChange belong to
// one thread, Interrupt may be called by any (and by a signal handler).
#ifndef CACHE_KUBE_MANIFEST_DIR_H_
#define CACHE_KUBE_MANIFEST_DIR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/unique_fd.h"
#include "cache/kube/dynakube_source.h"

namespace oneagent {

class ManifestDir final : public DynaKubeSource {
 public:
  static constexpr int64_t kMaxFileBytes = 8 << 20;

  // The directory need not exist yet. PosixStatus when no eventfd can be had.
  static absl::StatusOr<std::unique_ptr<ManifestDir>> Open(
      std::string directory);

  absl::StatusOr<ClusterState> List() override;
  bool WaitForChange(absl::Duration timeout) override;
  absl::Status WatchHealth() override { return watch_health_; }
  void Interrupt() override;

 private:
  ManifestDir(std::string directory, UniqueFd inotify, UniqueFd interrupt);

  // Starts watching the directory unless it is watched already; true when it
  // started just now.
  bool Watch();
  // Takes all events that are there; true when one of them matters.
  bool TakeEvents();
  enum class Woken { kTimeout, kEvents, kInterrupted };
  Woken Poll(absl::Duration timeout);

  // Without inotify: true when the files are not those of the last look.
  bool HasChanged();

  const std::string directory_;
  UniqueFd inotify_;  // none when it is used up
  absl::Status watch_health_;
  std::vector<std::string> last_look_;
  const UniqueFd interrupt_;  // eventfd
  int watch_ = -1;            // -1: not watched
};

}  // namespace oneagent

#endif  // CACHE_KUBE_MANIFEST_DIR_H_
