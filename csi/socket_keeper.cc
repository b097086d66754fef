#include "csi/socket_keeper.h"

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "csi/listening_socket.h"

namespace oneagent {

SocketKeeper::SocketKeeper(std::string path, Server& server, const Log& log)
    : path_(std::move(path)), server_(server), log_(log) {}

void SocketKeeper::RunOnce() {
  const absl::Status reachable = server_.CheckReachable();
  if (reachable.ok()) return;
  if (said_.empty()) {
    said_ = std::string(reachable.message());
    log_.Warning("socket lost", {{"socket", path_}, {"error", said_}});
  }
  // One whose accepting ended would be taken for a live instance.
  server_.StopDeafListeners();
  absl::StatusOr<std::unique_ptr<ListeningSocket>> socket =
      ListeningSocket::Open(path_);
  if (!socket.ok()) {
    if (said_ != socket.status().message()) {
      said_ = std::string(socket.status().message());
      log_.Error("cannot listen", {{"socket", path_}, {"error", said_}});
    }
    return;
  }
  // What was there before leads nowhere.
  server_.StopAccepting();
  server_.Listen(*std::move(socket));
  said_.clear();
  log_.Warning("listening anew", {{"socket", path_}});
}

}  // namespace oneagent
