#include "csi/server.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/server_posix.h>

#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"

namespace oneagent {
namespace {

// A client that pings is answered, but not more often than this; ours and
// kubelet's do not ping at all. (A dead peer of a unix socket is seen at once,
// so we need not ping either.)
constexpr int kLeastPingIntervalMs = 10'000;

struct Listener {
  std::unique_ptr<ListeningSocket> socket;
  std::thread thread;
};

}  // namespace

void GrpcServiceDeleter::operator()(grpc::Service* service) const {
  delete service;
}

struct Server::State {
  std::vector<GrpcService> services;
  std::unique_ptr<grpc::Server> server;
  std::vector<Listener> listeners;
};

Server::Server(std::vector<GrpcService> services)
    : state_(std::make_unique<State>()) {
  state_->services = std::move(services);
}

Server::~Server() {
  StopAccepting();
  Shutdown(absl::ZeroDuration());
}

absl::Status Server::Start() {
  grpc::ServerBuilder builder;
  for (const GrpcService& service : state_->services) {
    builder.RegisterService(service.get());
  }
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  builder.AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
      kLeastPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  state_->server = builder.BuildAndStart();
  if (state_->server == nullptr) {
    return absl::InternalError("gRPC server: did not start");
  }
  return absl::OkStatus();
}

void Server::Listen(std::unique_ptr<ListeningSocket> socket) {
  ListeningSocket* const listening = socket.get();
  grpc::Server* const server = state_->server.get();
  std::thread thread([listening, server] {
    for (;;) {
      absl::StatusOr<UniqueFd> fd = listening->Accept();
      // Cancelled, or a listening socket that poll(2) itself refuses.
      if (!fd.ok()) return;
      grpc::AddInsecureChannelFromFd(server, fd->Release());
    }
  });
  state_->listeners.push_back(
      {.socket = std::move(socket), .thread = std::move(thread)});
}

void Server::StopAccepting() {
  for (Listener& listener : state_->listeners) {
    listener.socket->Interrupt();
    listener.thread.join();
  }
  state_->listeners.clear();
}

void Server::Shutdown(absl::Duration grace) {
  if (state_->server == nullptr) return;
  state_->server->Shutdown(absl::ToChronoTime(absl::Now() + grace));
  state_->server->Wait();
  state_->server.reset();
}

}  // namespace oneagent
