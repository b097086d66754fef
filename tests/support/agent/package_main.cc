// agent-package --agents DIR --version V --output DIR [--filler-mib N]
#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "base/flags.h"
#include "tests/support/agent/package.h"

int main(int argc, char** argv) {
  std::string agents, version, output;
  int64_t filler_mib = 4;
  const std::vector<oneagent::Flag> flags = {
      oneagent::StringFlag("agents", "DIR", "where the libraries were built",
                           &agents),
      oneagent::StringFlag("version", "V", "agent version", &version),
      oneagent::StringFlag("output", "DIR", "gets <version>.zip", &output),
      oneagent::IntFlag("filler-mib", "N", "incompressible MiB", &filler_mib, 0,
                        4096)};
  const auto words = oneagent::ParseFlags(flags, argc, argv);
  if (!words.ok() || !words->empty() || agents.empty() || version.empty() ||
      output.empty()) {
    std::cerr << "agent-package: " << words.status().message() << "\n"
              << oneagent::FlagHelp(flags);
    return 2;
  }
  oneagent::WriteAgentPackage(agents, version, output, filler_mib);
  return 0;
}
