// Sees to it that the mounter can be reached: somebody may remove or replace
// its socket (a cleaner of old files, a second instance that was started by
// hand), and whoever then connects gets nothing for as long as we live.
//
// One thread at a time.
#ifndef CSI_SOCKET_KEEPER_H_
#define CSI_SOCKET_KEEPER_H_

#include <string>

#include "base/log.h"
#include "csi/server.h"

namespace oneagent {

class SocketKeeper {
 public:
  // Borrowed; must outlive this.
  SocketKeeper(std::string path, Server& server, const Log& log);

  // Listens anew when nobody is accepted at the path any more. Where somebody
  // else listens by now, or something else stands, that is left alone: said
  // once, and tried again next time.
  void RunOnce();

 private:
  const std::string path_;
  Server& server_;
  const Log& log_;
  std::string said_;  // the failure that the log has; empty: none
};

}  // namespace oneagent

#endif  // CSI_SOCKET_KEEPER_H_
