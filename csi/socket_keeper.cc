#include "csi/socket_keeper.h"

#include <memory>
#include <utility>

#include "base/status_macros.h"
#include "csi/listening_socket.h"

namespace oneagent {

SocketKeeper::SocketKeeper(Options options, Server& server, const Log& log)
    : options_(std::move(options)), server_(server), log_(log) {}

absl::Status SocketKeeper::Open() {
  // One whose accepting ended would be taken for a live instance.
  server_.StopDeafListeners();
  if (options_.may_open) RETURN_IF_ERROR(options_.may_open());
  ASSIGN_OR_RETURN(std::unique_ptr<ListeningSocket> socket,
                   ListeningSocket::Open(options_.path));
  // What was there before leads nowhere.
  server_.StopAccepting();
  server_.Listen(std::move(socket));
  is_open_ = true;
  said_.clear();
  return absl::OkStatus();
}

void SocketKeeper::RunOnce() {
  const absl::Status reachable = server_.CheckReachable();
  if (reachable.ok()) return;
  const bool was_open = is_open_;
  if (was_open && said_.empty()) {
    said_ = std::string(reachable.message());
    log_.Warning("socket lost", {{"socket", options_.path}, {"error", said_}});
  }
  const absl::Status opened = Open();
  if (!opened.ok()) {
    if (said_ == opened.message()) return;
    said_ = std::string(opened.message());
    log_.Error("cannot listen", {{"socket", options_.path}, {"error", said_}});
  } else if (was_open) {
    log_.Warning("listening anew", {{"socket", options_.path}});
  } else {
    log_.Info("listening", {{"socket", options_.path}});
  }
}

void SocketKeeper::Close() {
  server_.StopAccepting();
  is_open_ = false;
  said_.clear();
}

}  // namespace oneagent
