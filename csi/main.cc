// oneagent-csi-mounter: command line, signals, exit code.
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/clock.h"
#include "base/confined_path.h"
#include "base/log.h"
#include "csi/config.h"
#include "csi/mounter_daemon.h"

namespace oneagent {
namespace {

// Kubelet makes a connection for each call: as many as we may.
void RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  // A lower limit only means that bursts wait longer.
  (void)setrlimit(RLIMIT_NOFILE, &limit);
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

int Serve(MounterConfig config) {
  // Layers are opened without following a link.
  config.data_dir = ResolveSymlinks(config.data_dir);
  const sigset_t signals = BlockTermination();
  // A reader of our log that goes away must not end us.
  std::signal(SIGPIPE, SIG_IGN);
  // What the kernel's default is, whoever started us: directories that pods
  // see are made with it.
  umask(022);
  RaiseDescriptorLimit();
  const SystemClock clock;
  const Log log({.component = "mounter",
                 .level = config.log_levels,
                 .format = config.log_format},
                clock);
  const Log daemon_log = log.For("daemon");
  absl::StatusOr<std::unique_ptr<MounterDaemon>> daemon =
      MounterDaemon::Start(config, log, clock);
  if (!daemon.ok()) {
    daemon_log.Error("cannot start",
                     {{"error", std::string(daemon.status().message())}});
    return 1;
  }
  int received = 0;
  sigwait(&signals, &received);
  daemon_log.Info("draining",
                  {{"signal", received == SIGTERM ? "TERM" : "INT"}});
  // A second signal ends the process at once, which harms nothing.
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  (*daemon)->Drain();
  daemon->reset();
  daemon_log.Info("stopped");
  return 0;
}

}  // namespace
}  // namespace oneagent

int main(int argc, char** argv) {
  const absl::StatusOr<oneagent::MounterConfig> config =
      oneagent::ParseMounterConfig(argc, argv, std::getenv("CSI_ENDPOINT"));
  if (!config.ok()) {
    std::fprintf(stderr, "oneagent-csi-mounter: %s\n",
                 std::string(config.status().message()).c_str());
    return 2;  // wrong usage, as the command line's
  }
  switch (config->action) {
    case oneagent::MounterConfig::Action::kHelp:
      std::fputs(oneagent::MounterHelp().c_str(), stdout);
      return 0;
    case oneagent::MounterConfig::Action::kVersion:
      std::puts("oneagent-csi-mounter " ONEAGENT_VERSION);
      return 0;
    case oneagent::MounterConfig::Action::kServe:
      return oneagent::Serve(*config);
  }
  return 1;
}
