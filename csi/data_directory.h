// The mounter's data directory while it runs: its directories, and the lock
// that keeps a second mounter off it. What somebody deletes or replaces under
// the running mounter is made and locked again; the index and what else lies in
// it make themselves anew then. One thread at a time.
#ifndef CSI_DATA_DIRECTORY_H_
#define CSI_DATA_DIRECTORY_H_

#include "absl/status/status.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "cache/index/layout.h"

namespace oneagent {

class DataDirectory {
 public:
  explicit DataDirectory(Layout layout);

  // At start. OK also on a disk that allows no directories now (it is full or
  // broken), which is logged: then there is no lock yet. AlreadyExists: another
  // mounter has it.
  absl::Status Open(const Log& log);

  // Each second: makes and locks what is not there. An error cannot be put
  // right by this process, which has to be started again: another mounter has
  // taken the directory, or the directory was deleted that is mounted here
  // (nothing can be made in it, and what stands at its place on the node is
  // seen by the next container).
  absl::Status RunOnce(const Log& log);

 private:
  bool IsLocked() const;

  const Layout layout_;
  UniqueFd lock_;  // of volumes/
};

}  // namespace oneagent

#endif  // CSI_DATA_DIRECTORY_H_
