// Sequence "register", each second:
//   1  kubelet refused the socket, and that was waited out: remove it
//   2  there is no socket of ours: ask csi.sock for the driver's name, as
//      kubelet will for the node's
//   3  the socket, in place at once and listening (sequence "listen")
// Dying after 1 or 2 leaves nothing, dying after 3 a dead socket. kubelet would
// try that one in vain, more and more seldom, so the next start removes it
// before anything that takes long.
#include "csi/registration.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "base/duration.h"
#include "base/failpoint.h"
#include "base/status_macros.h"
#include "csi/identity_client.h"
#include "csi/identity_service.h"

namespace oneagent {
namespace {

constexpr absl::Duration kFirstWait = absl::Seconds(1);
constexpr absl::Duration kLongestWait = absl::Minutes(2);
// What the registrar of the CSI project grants its driver.
constexpr absl::Duration kAnswerWithin = absl::Seconds(1);
// kubelet sees a socket at once. When it says nothing, it is not running, or
// looks elsewhere.
constexpr absl::Duration kVerdictWithin = absl::Seconds(30);

absl::Duration WaitAfter(int refusals) {
  absl::BitGen random;
  // Beyond the twentieth it is the longest anyway.
  const absl::Duration wait =
      std::min(kFirstWait * (1 << std::min(refusals - 1, 20)), kLongestWait);
  return wait * absl::Uniform(random, 0.5, 1.0);
}

std::vector<GrpcService> OneService(GrpcService service) {
  std::vector<GrpcService> services;
  services.push_back(std::move(service));
  return services;
}

}  // namespace

std::string RegistrationSocket(absl::string_view directory) {
  return absl::StrCat(directory, "/", kDriverName, "-reg.sock");
}

Registration::Registration(Options options, const Server& csi_server,
                           const Log& log, const Clock& clock)
    : options_(std::move(options)),
      csi_server_(csi_server),
      log_(log),
      clock_(clock),
      server_(OneService(NewRegistrationService(
          options_.kubelet_socket_path,
          [this](const RegistrationVerdict& verdict) { OnVerdict(verdict); }))),
      keeper_({.path = RegistrationSocket(options_.directory),
               .may_open = [this] { return BeforeOpening(); }},
              server_, log) {}

absl::Status Registration::Start() { return server_.Start(); }

void Registration::RunOnce() {
  if (IsToBeMadeAnew()) {
    keeper_.Close();  // 1
    Failpoint("register:1");
  }
  if (!server_.CheckReachable().ok()) ForgetSocket();
  keeper_.RunOnce();  // 2, 3
  SayWhenKubeletIsSilent();
}

absl::Status Registration::CheckRegistered() {
  MutexLock lock(mu_);
  if (refusal_.has_value()) {
    return absl::UnavailableError("registration refused by kubelet");
  }
  if (said_registered_) return absl::OkStatus();
  return absl::UnavailableError("kubelet has not registered the driver yet");
}

void Registration::Withdraw() { keeper_.Close(); }

void Registration::ForgetSocket() {
  MutexLock lock(mu_);
  opened_at_ = absl::InfiniteFuture();
  said_registered_ = false;
}

absl::Status Registration::CheckDriverAnswers() const {
  RETURN_IF_ERROR(csi_server_.CheckReachable());
  ASSIGN_OR_RETURN(const std::string name,
                   AskDriverName(options_.socket_path, kAnswerWithin));
  if (name != kDriverName) {
    return absl::FailedPreconditionError(absl::StrCat(
        "socket ", options_.socket_path, ": driver ", name, " answers there"));
  }
  Failpoint("register:2");
  return absl::OkStatus();
}

absl::Status Registration::BeforeOpening() {
  RETURN_IF_ERROR(CheckDriverAnswers());
  MutexLock lock(mu_);
  opened_at_ = clock_.Now();
  return absl::OkStatus();
}

void Registration::SayWhenKubeletIsSilent() {
  MutexLock lock(mu_);
  if (clock_.Now() - opened_at_ < kVerdictWithin) return;
  opened_at_ = absl::InfiniteFuture();
  log_.Warning("kubelet does not register the driver",
               {{"socket", RegistrationSocket(options_.directory)},
                {"error", absl::StrCat("it has said nothing in ",
                                       FormatGoDuration(kVerdictWithin))}});
}

void Registration::OnVerdict(const RegistrationVerdict& verdict) {
  const std::string socket = RegistrationSocket(options_.directory);
  MutexLock lock(mu_);
  opened_at_ = absl::InfiniteFuture();
  if (verdict.registered) {
    refusals_ = 0;
    refusal_.reset();
    // Again after each restart of kubelet.
    if (std::exchange(said_registered_, true)) return;
    log_.Info("registered with kubelet",
              {{"socket", socket}, {"endpoint", options_.kubelet_socket_path}});
    return;
  }
  // Refusals of the socket that is going to be replaced do not count:
  // kubelet itself retries some, and would put that off for ever.
  if (refusal_.has_value()) return;
  refusal_ = {.at = clock_.Now(), .wait = WaitAfter(++refusals_)};
  log_.Warning("registration refused by kubelet",
               {{"socket", socket},
                {"endpoint", options_.kubelet_socket_path},
                {"error", verdict.error},
                {"retry_in", FormatGoDuration(absl::Trunc(
                                 refusal_->wait, absl::Milliseconds(1)))}});
}

bool Registration::IsToBeMadeAnew() {
  MutexLock lock(mu_);
  if (!refusal_.has_value()) return false;
  const absl::Duration waited = clock_.Now() - refusal_->at;
  // Less than nothing: the clock was set back.
  if (waited >= absl::ZeroDuration() && waited < refusal_->wait) return false;
  refusal_.reset();
  return true;
}

}  // namespace oneagent
