// oneagent-soak: a long random run against the shipped programs, held to a
// model that shares no code with them (tests/soak/README.md).
//
//   oneagent-soak --bin-dir DIR --keep-dir DIR [--minutes N] [--seed S]
//                 [--clock-shim LIBRARY] [--violations N]
//
// Exit code 0 when nothing was violated. KEEP-DIR/SEED is made anew.
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/flags.h"
#include "tests/soak/soak_run.h"

int main(int argc, char** argv) {
  int64_t minutes = 2;
  int64_t seed = static_cast<int64_t>(std::random_device()() % 1'000'000);
  std::string keep_dir;
  oneagent::SoakOptions options;
  const auto words = oneagent::ParseFlags(
      {oneagent::IntFlag("minutes", "N", "how long; 2 by default", &minutes, 1,
                         10'000),
       oneagent::IntFlag("seed", "S", "of all decisions; else a random one",
                         &seed, 0, INT64_MAX),
       oneagent::IntFlag("violations", "N", "after so many it ends; 1",
                         &options.most_violations, 1, 1000),
       oneagent::StringFlag("bin-dir", "DIR", "the shipped programs",
                            &options.ground.bin_dir),
       oneagent::StringFlag("keep-dir", "DIR", "where logs are kept",
                            &keep_dir),
       oneagent::StringFlag("clock-shim", "LIBRARY", "shifts their clocks",
                            &options.ground.clock_shim)},
      argc, argv);
  if (!words.ok() || !words->empty() || options.ground.bin_dir.empty() ||
      keep_dir.empty()) {
    std::cerr << "oneagent-soak: " << words.status().message() << "\n";
    return 2;
  }
  options.seed = static_cast<uint64_t>(seed);
  options.length = absl::Minutes(minutes);
  options.ground.keep_dir = absl::StrCat(keep_dir, "/seed-", seed);
  std::filesystem::remove_all(options.ground.keep_dir);
  std::cout << "seed " << seed << ", " << minutes << " minutes\n";
  return oneagent::SoakRun(options).Run() ? 0 : 1;
}
