// The course of a run: storms, the calm between them, quiet points at which
// nothing must be left, and a stretch without faults over which the daemons
// must not grow. One thread's.
#ifndef TESTS_SOAK_SOAK_RUN_H_
#define TESTS_SOAK_SOAK_RUN_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "tests/soak/faults.h"
#include "tests/soak/ground.h"
#include "tests/soak/journal.h"
#include "tests/soak/pods.h"
#include "tests/soak/version_book.h"
#include "tests/soak/weather.h"
#include "tests/support/process_figures.h"

namespace oneagent {

struct SoakOptions {
  uint64_t seed = 0;
  absl::Duration length;
  int64_t most_violations = 1;
  Ground::Options ground;
};

class SoakRun {
 public:
  explicit SoakRun(const SoakOptions& options);

  // True when nothing was violated. Prints as it goes.
  bool Run();

 private:
  struct Figures {
    ProcessFigures mounter;
    ProcessFigures provisioner;
    int64_t operations = 0;
  };

  void Storm(absl::Duration length);
  // Clears up, waits until the node is well, and has every call succeed.
  void Calm(absl::Duration length);
  bool AwaitWellness();
  void Drain();
  // After Drain.
  void CheckNothingIsLeft();
  // What an unpublish could not delete is collected within half a minute.
  void AwaitEmptyBooks();
  // It may have to wait for the next time that a daemon looks at something.
  void AwaitDoctor();
  void CheckAgents();
  void Steady(absl::Time until);
  void SteadyUntil(absl::Time until, int64_t operations);
  Figures TakeFigures();
  void CompareFigures(const Figures& begin, const Figures& end);
  void PrintProgress(const char* what);
  void PrintSummary();
  void Violate(absl::string_view what) { journal_.Violate(what, {}); }

  const SoakOptions options_;
  Ground ground_;
  Journal journal_;
  WeatherStation weather_;
  VersionBook versions_;
  const World world_;
  Faults faults_;
  std::unique_ptr<Pods> pods_;
  const absl::Time start_;
  int64_t storm_faults_ = 0;
  int64_t gentle_faults_ = 0;
};

}  // namespace oneagent

#endif  // TESTS_SOAK_SOAK_RUN_H_
