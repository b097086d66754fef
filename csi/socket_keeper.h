// Sees to it that the mounter can be reached at a path: somebody may remove or
// replace its socket (a cleaner of old files, a second instance that was
// started by hand), and whoever then connects gets nothing for as long as we
// live. One keeper and one server for each path.
//
// One thread at a time.
#ifndef CSI_SOCKET_KEEPER_H_
#define CSI_SOCKET_KEEPER_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "base/log.h"
#include "csi/server.h"

namespace oneagent {

class SocketKeeper {
 public:
  struct Options {
    std::string path;
    // Asked each time before the socket is made; an error keeps it from being
    // there. Null: always.
    std::function<absl::Status()> may_open = nullptr;
  };
  // Borrowed; must outlive this.
  SocketKeeper(Options options, Server& server, const Log& log);

  // Listens, and takes the place of what the server listened on before. Errors
  // of `may_open` and of ListeningSocket::Open.
  absl::Status Open();

  // Opens when nobody is accepted at the path. Where somebody else listens by
  // now, or something else stands, that is left alone: said once, and tried
  // again next time.
  void RunOnce();

  // Takes the socket away; the next RunOnce makes a new one.
  void Close();

 private:
  const Options options_;
  Server& server_;
  const Log& log_;
  bool is_open_ = false;  // as far as it is up to us
  std::string said_;      // the failure that the log has; empty: none
};

}  // namespace oneagent

#endif  // CSI_SOCKET_KEEPER_H_
