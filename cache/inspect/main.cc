#include <stdlib.h>
#include <unistd.h>

#include <iostream>

#include "base/clock.h"
#include "cache/inspect/cli.h"

int main(int argc, char** argv) {
  const char* const from_environment = getenv("ONEAGENT_CSI_DATA_DIR");
  const bool on_terminal =
      isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == nullptr;
  const oneagent::SystemClock clock;
  return oneagent::RunCli(
      from_environment == nullptr ? "/data" : from_environment, argc, argv,
      {.out = std::cout,
       .err = std::cerr,
       .paint = on_terminal ? oneagent::Paint::kOn : oneagent::Paint::kOff,
       .clock = clock});
}
