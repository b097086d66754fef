// A unix socket of our own, listening. It is there at once and complete: made
// under a dot-name in the same directory (which kubelet's watchers ignore),
// 0600 from its first moment, listening, then renamed into place.
//
// What stands at the path before is looked at first: a dead socket is
// replaced; a socket that somebody answers and anything that is no socket are
// left alone. Two programs that start at the same moment are serialised by a
// lock on the directory. Accept is for one thread; Interrupt for any.
#ifndef CSI_LISTENING_SOCKET_H_
#define CSI_LISTENING_SOCKET_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace oneagent {

class ListeningSocket {
 public:
  // `path` is absolute, at most 107 bytes. Errors, all naming the path:
  // InvalidArgument too long; AlreadyExists a live instance listens there;
  // FailedPrecondition something else than a stream socket is there;
  // Unavailable another program is at work in the directory; PosixStatus.
  static absl::StatusOr<std::unique_ptr<ListeningSocket>> Open(
      const std::string& path);

  // Removes a dead socket at `path`; whatever else is there, or cannot be told
  // at once, stays. For paths where a dead socket is worse than none.
  static void RemoveDead(const std::string& path);

  // Removes the path if it is still our socket, not a successor's.
  ~ListeningSocket();
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;

  // Waits for a connection; the descriptor is non-blocking. Cancelled after
  // Interrupt. A shortage (descriptors, memory) is waited out, not returned.
  absl::StatusOr<UniqueFd> Accept();

  // Ends an Accept that waits, and every later one.
  void Interrupt();

  // True while the path leads to this very socket.
  bool IsInPlace() const;

  const std::string& path() const { return path_; }

 private:
  ListeningSocket(std::string path, UniqueFd directory, UniqueFd listener,
                  UniqueFd interrupt);

  bool IsOurs(const struct stat& info) const;

  const std::string path_;
  const std::string name_;  // last component
  const UniqueFd directory_;
  const UniqueFd listener_;
  const UniqueFd interrupt_;  // eventfd
  // Of the socket's file.
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace oneagent

#endif  // CSI_LISTENING_SOCKET_H_
