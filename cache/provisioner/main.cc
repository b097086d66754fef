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
#include "base/log.h"
#include "base/privilege.h"
#include "cache/provisioner/config.h"
#include "cache/provisioner/log_observer.h"
#include "cache/provisioner/progress_bar.h"
#include "cache/provisioner/provisioner.h"

namespace oneagent {
namespace {

// What is being unpacked when the end is asked for may take minutes.
constexpr absl::Duration kLongestEnd = absl::Seconds(3);

void Complain(const absl::Status& status) {
  std::fprintf(stderr, "oneagent-csi-provisioner: %s\n",
               std::string(status.message()).c_str());
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

// Asks for the end when a signal comes; ends itself by one of its own.
class SignalWaiter {
 public:
  SignalWaiter(const sigset_t& signals, Provisioner& provisioner)
      : thread_([signals, &provisioner] {
          int received = 0;
          sigwait(&signals, &received);
          provisioner.RequestEnd();
        }) {}
  ~SignalWaiter() {
    pthread_kill(thread_.native_handle(), SIGTERM);
    thread_.join();
  }
  SignalWaiter(const SignalWaiter&) = delete;
  SignalWaiter& operator=(const SignalWaiter&) = delete;

 private:
  std::thread thread_;
};

int Run(const ProvisionerConfig& config) {
  const sigset_t signals = BlockTermination();
  std::signal(SIGPIPE, SIG_IGN);
  umask(077);
  const SystemClock clock;
  const Log log({.component = "provisioner",
                 .level = config.log_level,
                 .format = config.log_format},
                clock);
  ProgressBar bar(STDERR_FILENO);
  LogObserver observer(log, bar);
  absl::StatusOr<std::unique_ptr<Provisioner>> provisioner =
      Provisioner::Open(config, clock, observer);
  if (!provisioner.ok()) {
    Complain(provisioner.status());
    return 1;
  }
  bool ok = true;
  {
    const SignalWaiter waiter(signals, **provisioner);
    if (config.action == ProvisionerConfig::Action::kRunOnce) {
      ok = (*provisioner)->RunOnce();
    } else {
      log.Info("started", {{"data-dir", config.data_dir},
                           {"dynakube-dir", config.dynakube_dir}});
      (*provisioner)->Run();
    }
  }
  bar.Clear();
  if (!(*provisioner)->Stop(kLongestEnd)) {
    // Every instruction is one at which the process may be killed: what is
    // half done is found and finished at the next start.
    log.Info("stopped in the middle of an installation");
    _exit(ok ? 0 : 1);
  }
  if (config.action == ProvisionerConfig::Action::kRun) log.Info("stopped");
  return ok ? 0 : 1;
}

}  // namespace
}  // namespace oneagent

int main(int argc, char** argv) {
  using Action = oneagent::ProvisionerConfig::Action;
  const absl::StatusOr<oneagent::ProvisionerConfig> config =
      oneagent::ParseProvisionerConfig(argc, argv);
  if (!config.ok()) {
    oneagent::Complain(config.status());
    return 1;
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
  if (!dropped.ok()) {
    oneagent::Complain(dropped);
    return 1;
  }
  return oneagent::Run(*config);
}
