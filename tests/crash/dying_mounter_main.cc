// dying-mounter FAILPOINT N FLAG…: the mounter, but for one thing: it dies when
// it comes to the failpoint for the Nth time, with exit code 42.
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "csi/config.h"
#include "csi/mounter_daemon.h"

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  std::atomic<int> left = std::atoi(argv[2]);
  oneagent::ArmFailpoint(argv[1], [&left] {
    if (--left == 0) _exit(42);
  });
  const absl::StatusOr<oneagent::MounterConfig> config =
      oneagent::ParseMounterConfig(argc - 2, argv + 2, nullptr);
  if (!config.ok()) {
    std::fprintf(stderr, "%s\n", config.status().ToString().c_str());
    return 2;
  }
  const oneagent::SystemClock clock;
  const oneagent::Log log({.component = "mounter"}, clock);
  const auto daemon = oneagent::MounterDaemon::Start(*config, log, clock);
  if (!daemon.ok()) {
    std::fprintf(stderr, "%s\n", daemon.status().ToString().c_str());
    return 2;
  }
  for (;;) pause();
}
