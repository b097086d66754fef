// Serves gRPC services on listening sockets of our own: gRPC's own unix
// listener unlinks a live socket at start and a successor's at shutdown.
//
//   Server server({NewIdentityService(log), …});
//   RETURN_IF_ERROR(server.Start());
//   server.Listen(std::move(socket));      // any number of sockets
//   …
//   server.StopAccepting();                // no new connections, paths gone
//   queue.Drain();                         // calls at work are answered
//   server.Shutdown(absl::Seconds(1));
//
// One thread accepts for each socket; accepted descriptors are handed to gRPC.
// Methods are for one thread; calls are served on gRPC's own.
#ifndef CSI_SERVER_H_
#define CSI_SERVER_H_

#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "csi/grpc_service.h"
#include "csi/listening_socket.h"

namespace oneagent {

inline constexpr int kMaxMessageBytes = 4 << 20;
// Calls at once on one connection. Kubelet makes a connection for each call;
// sidecars and the CLI ask one thing after the other.
inline constexpr int kMaxStreams = 100;

class Server {
 public:
  struct Options {
    // A connection without a call is closed after this, whatever state it is
    // in: so are those of clients that stopped halfway.
    absl::Duration longest_idle = absl::Minutes(10);
  };
  explicit Server(std::vector<GrpcService> services)
      : Server(std::move(services), Options()) {}
  Server(std::vector<GrpcService> services, const Options& options);
  // StopAccepting and Shutdown, as far as they have not happened.
  ~Server();

  // Internal when gRPC does not start. Once, before Listen. Keeps gRPC and
  // Protobuf from writing to stderr, in the whole process.
  absl::Status Start();

  void Listen(std::unique_ptr<ListeningSocket> socket);

  // OK while connections to the path of each socket are accepted; else why
  // not: its accepting ended, or the path is gone or somebody else's.
  // Unavailable when there is no socket at all.
  absl::Status CheckReachable() const;

  // Takes away sockets whose accepting ended by itself.
  void StopDeafListeners();

  // Ends the accepting threads and removes the sockets' paths. Connections
  // that are open stay.
  void StopAccepting();

  // Waits at most `grace` for calls, cancels the rest, closes connections.
  void Shutdown(absl::Duration grace);

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace oneagent

#endif  // CSI_SERVER_H_
