// Registers the driver with kubelet, which otherwise takes a sidecar: serves
// pluginregistration.Registration on a socket in kubelet's plugins_registry
// directory. kubelet watches that directory: a socket that appears is asked
// for the driver's name and for csi.sock, one that goes away is deregistered.
//
//   Registration registration({…}, csi_server, log, clock);
//   RETURN_IF_ERROR(registration.Start());
//   registration.RunOnce();   // now, and each second
//   …
//   registration.Withdraw();  // before csi.sock goes away
//
// The socket is there only once csi.sock answers, and has a gRPC server of its
// own: on neither socket is the other's service to be had. A directory that
// does not exist (yet), or another's live socket, is said once and tried again.
//
// kubelet registers a socket once: where it failed after it had accepted the
// plugin, nothing but a new socket makes it try again (kubernetes#118317).
// So a refusal is waited out, at first half a second to a second, then twice
// as long each time, at most two minutes, and then the socket is made anew.
//
// Start, RunOnce, Withdraw and the destructor: one thread at a time.
#ifndef CSI_REGISTRATION_H_
#define CSI_REGISTRATION_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "csi/registration_service.h"
#include "csi/server.h"
#include "csi/socket_keeper.h"

namespace oneagent {

// "<directory>/<driver>-reg.sock", the name that a sidecar would use as well.
std::string RegistrationSocket(absl::string_view directory);

class Registration {
 public:
  struct Options {
    std::string directory;            // plugins_registry, as we see it
    std::string socket_path;          // csi.sock, as we see it
    std::string kubelet_socket_path;  // csi.sock, as kubelet sees it
  };
  // `csi_server` serves csi.sock. Borrowed; must outlive this.
  Registration(Options options, const Server& csi_server, const Log& log,
               const Clock& clock);

  // Server::Start.
  absl::Status Start();

  void RunOnce();

  // OK while kubelet's last word about the socket that is there was yes.
  absl::Status CheckRegistered();

  // Removes the socket: kubelet deregisters the driver.
  void Withdraw();

 private:
  struct Refusal {
    absl::Time at;
    absl::Duration wait;
  };

  absl::Status CheckDriverAnswers() const;
  absl::Status BeforeOpening();
  void OnVerdict(const RegistrationVerdict& verdict);
  bool IsToBeMadeAnew();
  // What was known of one that is gone.
  void ForgetSocket();
  // Once for each socket.
  void SayWhenKubeletIsSilent();

  const Options options_;
  const Server& csi_server_;
  const Log& log_;
  const Clock& clock_;

  Mutex mu_;
  int refusals_ ABSL_GUARDED_BY(mu_) = 0;  // since kubelet last agreed
  std::optional<Refusal> refusal_ ABSL_GUARDED_BY(mu_);  // being waited out
  // Of the socket that is there, or is about to be.
  absl::Time opened_at_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
  bool said_registered_ ABSL_GUARDED_BY(mu_) = false;

  Server server_;  // its calls use all of the above
  SocketKeeper keeper_;
};

}  // namespace oneagent

#endif  // CSI_REGISTRATION_H_
