#include "csi/server.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/server_posix.h>

#include <cstddef>
#include <cstdio>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/mutex.h"
#include "base/status_macros.h"

namespace oneagent {
namespace {

// A client that pings is answered, but not more often than this; ours and
// kubelet's do not ping at all. (A dead peer of a unix socket is seen at once,
// so we need not ping either.)
constexpr int kLeastPingIntervalMs = 10'000;

// gRPC and Protobuf would write to stderr by themselves whenever a client does
// something wrong: past the log, and waiting for whoever reads it. The client
// is told. What remains is gRPC's last word before it aborts.
void LastWordsOnly(gpr_log_func_args* args) {
  if (absl::StartsWith(args->message, "assertion failed")) {
    std::fprintf(stderr, "%s:%d: %s\n", args->file, args->line, args->message);
  }
}

void SilenceLibraries() {
  google::protobuf::SetLogHandler(nullptr);
  gpr_set_log_function(LastWordsOnly);
}

struct Listener {
  explicit Listener(std::unique_ptr<ListeningSocket> listening)
      : socket(std::move(listening)) {}

  absl::Status Ended() const {
    MutexLock lock(mu);
    return ended;
  }

  const std::unique_ptr<ListeningSocket> socket;
  mutable Mutex mu;
  absl::Status ended ABSL_GUARDED_BY(mu);  // why the thread did; OK: it did not
  std::thread thread;
};

void AcceptAll(Listener& listener, grpc::Server* server) {
  for (;;) {
    absl::StatusOr<UniqueFd> fd = listener.socket->Accept();
    if (!fd.ok()) {
      // Cancelled, or a listening socket that the kernel itself refuses.
      MutexLock lock(listener.mu);
      listener.ended = fd.status();
      return;
    }
    grpc::AddInsecureChannelFromFd(server, fd->Release());
  }
}

void Stop(Listener& listener) {
  listener.socket->Interrupt();
  listener.thread.join();
}

}  // namespace

void GrpcServiceDeleter::operator()(grpc::Service* service) const {
  delete service;
}

struct Server::State {
  Options options;
  std::vector<GrpcService> services;
  std::unique_ptr<grpc::Server> server;
  std::vector<std::unique_ptr<Listener>> listeners;
};

Server::Server(std::vector<GrpcService> services, const Options& options)
    : state_(std::make_unique<State>()) {
  state_->options = options;
  state_->services = std::move(services);
}

Server::~Server() {
  StopAccepting();
  Shutdown(absl::ZeroDuration());
}

absl::Status Server::Start() {
  SilenceLibraries();
  grpc::ServerBuilder builder;
  for (const GrpcService& service : state_->services) {
    builder.RegisterService(service.get());
  }
  // gRPC 1.51 looks at a message's size before it is inflated only. Nobody who
  // calls us compresses; who does is told UNIMPLEMENTED.
  for (const auto algorithm : {GRPC_COMPRESS_DEFLATE, GRPC_COMPRESS_GZIP}) {
    builder.SetCompressionAlgorithmSupportStatus(algorithm, false);
  }
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreams);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS,
                             static_cast<int>(absl::ToInt64Milliseconds(
                                 state_->options.longest_idle)));
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
  auto listener = std::make_unique<Listener>(std::move(socket));
  listener->thread =
      std::thread([&listener = *listener, server = state_->server.get()] {
        AcceptAll(listener, server);
      });
  state_->listeners.push_back(std::move(listener));
}

absl::Status Server::CheckReachable() const {
  if (state_->listeners.empty()) {
    return absl::UnavailableError("no socket is listened on");
  }
  for (const std::unique_ptr<Listener>& listener : state_->listeners) {
    const ListeningSocket& socket = *listener->socket;
    RETURN_IF_ERROR(listener->Ended());
    if (!socket.IsInPlace()) {
      return absl::UnavailableError(absl::StrCat(
          "socket ", socket.path(), ": removed or replaced by another"));
    }
  }
  return absl::OkStatus();
}

void Server::StopDeafListeners() {
  std::vector<std::unique_ptr<Listener>>& listeners = state_->listeners;
  for (size_t i = listeners.size(); i-- > 0;) {
    if (listeners[i]->Ended().ok()) continue;
    Stop(*listeners[i]);
    listeners.erase(listeners.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

void Server::StopAccepting() {
  for (const std::unique_ptr<Listener>& listener : state_->listeners) {
    Stop(*listener);
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
