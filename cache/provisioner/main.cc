// oneagent-csi-provisioner: command line, privileges, signals, exit code.
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "base/http_listener.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/privilege.h"
#include "cache/provisioner/config.h"
#include "cache/provisioner/health.h"
#include "cache/provisioner/log_observer.h"
#include "cache/provisioner/observers.h"
#include "cache/provisioner/progress_bar.h"
#include "cache/provisioner/provisioner.h"
#include "cache/provisioner/provisioner_metrics.h"
#include "cache/provisioner/shutdown.h"

namespace oneagent {
namespace {

// What is being unpacked when the end is asked for may take minutes, and so may
// what is being mended at the start.
constexpr absl::Duration kLongestEnd = absl::Seconds(3);
constexpr absl::Duration kLongestStop = absl::Seconds(1);

// The exit code.
int Complain(const absl::Status& status) {
  std::fprintf(stderr, "oneagent-csi-provisioner: %s\n",
               std::string(status.message()).c_str());
  return 1;
}

// The signals that ask for an end, blocked in this thread and those it starts.
sigset_t BlockTermination() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

// Asks for the end when a signal comes, and sees to it that it comes: a start
// may wait for a lock or mend a large tree, and neither looks up.
class SignalWaiter {
 public:
  // `exit_code` is that of a process that does not come to its end by itself.
  SignalWaiter(const sigset_t& signals, Shutdown& shutdown, const Log& log,
               int exit_code)
      : thread_([this, signals, &shutdown, &log, exit_code] {
          int received = 0;
          sigwait(&signals, &received);
          shutdown.Request();
          if (WaitUntilOver(kLongestEnd + kLongestStop)) return;
          log.Info("stopped while busy");
          _exit(exit_code);
        }) {}
  ~SignalWaiter() {
    {
      MutexLock lock(mu_);
      is_over_ = true;
      over_.NotifyAll();
    }
    // The thread takes the signal, which is blocked, by sigwait.
    // NOLINTNEXTLINE(bugprone-bad-signal-to-kill-thread)
    pthread_kill(thread_.native_handle(), SIGTERM);
    thread_.join();
  }
  SignalWaiter(const SignalWaiter&) = delete;
  SignalWaiter& operator=(const SignalWaiter&) = delete;

 private:
  bool WaitUntilOver(absl::Duration timeout) {
    const Deadline deadline(timeout);
    MutexLock lock(mu_);
    while (!is_over_) {
      const absl::Duration left = deadline.Left();
      if (left == absl::ZeroDuration()) return false;
      over_.WaitFor(mu_, left);
    }
    return true;
  }

  Mutex mu_;
  CondVar over_;
  bool is_over_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;  // last: uses the others
};

int Run(const ProvisionerConfig& config) {
  const sigset_t signals = BlockTermination();
  std::signal(SIGPIPE, SIG_IGN);
  umask(077);
  const SystemClock clock;
  const Log log({.component = "provisioner",
                 .level = config.log_levels,
                 .format = config.log_format},
                clock);
  const Log daemon_log = log.For("daemon");
  const Log http_log = log.For("http");
  ProgressBar bar(STDERR_FILENO);
  LogObserver log_observer(log, bar);
  ProvisionerHealth health;
  const absl::StatusOr<std::unique_ptr<ProvisionerMetrics>> metrics =
      ProvisionerMetrics::Create(config.data_dir);
  if (!metrics.ok()) return Complain(metrics.status());
  Observers observer({&log_observer, &health, metrics->get()});
  Shutdown shutdown;
  const bool is_once = config.action == ProvisionerConfig::Action::kRunOnce;
  // Before anything that can block.
  const SignalWaiter waiter(signals, shutdown, daemon_log, is_once ? 1 : 0);
  const absl::StatusOr<std::unique_ptr<HttpListener>> health_listener =
      ListenForFlag("health-address", config.health_address, health.Pages(),
                    http_log);
  if (!health_listener.ok()) return Complain(health_listener.status());
  const absl::StatusOr<std::unique_ptr<HttpListener>> metrics_listener =
      ListenForFlag("metrics-address", config.metrics_address,
                    (*metrics)->Pages(), http_log);
  if (!metrics_listener.ok()) return Complain(metrics_listener.status());
  absl::StatusOr<std::unique_ptr<Provisioner>> provisioner =
      Provisioner::Open(config, clock, observer, shutdown);
  if (!provisioner.ok() && shutdown.IsRequested() && !is_once) {
    daemon_log.Info("stopped");
    return 0;
  }
  if (!provisioner.ok()) return Complain(provisioner.status());
  bool ok = true;
  if (is_once) {
    ok = (*provisioner)->RunOnce();
  } else {
    daemon_log.Info("started", {{"data_dir", config.data_dir},
                                {"dynakube_dir", config.dynakube_dir},
                                {"kubeconfig", config.kubeconfig},
                                {"version", ONEAGENT_VERSION}});
    const absl::Status ran = (*provisioner)->Run();
    if (!ran.ok()) {
      daemon_log.Error("data directory lost, ending",
                       {{"error", std::string(ran.message())}});
      ok = false;
    }
  }
  bar.Clear();
  if (!(*provisioner)->Stop(kLongestEnd)) {
    // Every instruction is one at which the process may be killed: what is
    // half done is found and finished at the next start.
    daemon_log.Info("stopped in the middle of an installation");
    _exit(ok ? 0 : 1);
  }
  if (!is_once) daemon_log.Info("stopped");
  return ok ? 0 : 1;
}

}  // namespace
}  // namespace oneagent

int main(int argc, char** argv) {
  using Action = oneagent::ProvisionerConfig::Action;
  const absl::StatusOr<oneagent::ProvisionerConfig> config =
      oneagent::ParseProvisionerConfig(argc, argv);
  if (!config.ok()) {
    (void)oneagent::Complain(config.status());
    return 2;  // wrong usage, as the command line's
  }
  switch (config->action) {
    case Action::kHelp:
      std::fputs(oneagent::ProvisionerHelp().c_str(), stdout);
      return 0;
    case Action::kVersion:
      std::puts("oneagent-csi-provisioner " ONEAGENT_VERSION);
      return 0;
    case Action::kRun:
    case Action::kRunOnce:
      break;
  }
  // Nothing that follows needs a capability, and there are no threads yet.
  const absl::Status dropped = oneagent::DropPrivilegesExcept({});
  if (!dropped.ok()) return oneagent::Complain(dropped);
  return oneagent::Run(*config);
}
