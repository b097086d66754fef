// The mounter, assembled: from a command line to a socket that answers. What
// happens at start, and in which order, is at the top of mounter_daemon.cc.
#ifndef CSI_MOUNTER_DAEMON_H_
#define CSI_MOUNTER_DAEMON_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/log.h"
#include "csi/config.h"

namespace oneagent {

class MounterDaemon {
 public:
  // Serves when it returns. Drops the process's privileges, so it is for a
  // process of its own and must be called before that has a second thread.
  // `log` and `clock` are borrowed and must outlive the daemon. Any error is
  // one that the operator has to see: another instance is at work, the index
  // is of a newer program, a directory is missing, a capability is not held.
  static absl::StatusOr<std::unique_ptr<MounterDaemon>> Start(
      const MounterConfig& config, const Log& log, const Clock& clock);
  ~MounterDaemon();

  // Accepts no more connections, answers what was asked, ends.
  void Drain();

 private:
  struct Parts;
  explicit MounterDaemon(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace oneagent

#endif  // CSI_MOUNTER_DAEMON_H_
