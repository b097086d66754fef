// Credentials that were refused, so that nobody sends them again: a directory
// behind a proxy or a tenant locks accounts after a few wrong passwords, and a
// node has many DynaKubes. What is remembered is the refusal itself, by a
// digest of what was refused; it is forgotten after kPause, and with the
// process. Thread-safe.
#ifndef CACHE_SOURCE_REFUSALS_H_
#define CACHE_SOURCE_REFUSALS_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "cache/source/fetch.h"

namespace oneagent {

class Refusals {
 public:
  using Answer = absl::StatusOr<FetchResult>;
  // Longer than the windows in which failed log-ins are usually counted.
  static constexpr absl::Duration kPause = absl::Minutes(30);

  // The clock is borrowed.
  explicit Refusals(const Clock& clock) : clock_(clock) {}

  // What was answered to these credentials; nullopt: they may be sent.
  std::optional<Answer> Find(const std::vector<std::string>& credentials);
  void Remember(const std::vector<std::string>& credentials, Answer refusal);

  // Of several who would send credentials that nobody has seen accepted yet,
  // one goes ahead; the others wait for what comes of it, a few seconds at
  // most: what hangs may be the one who is asked, and not who checks
  // credentials. Each Begin is followed by an End.
  void BeginTrial(const std::vector<std::string>& credentials);
  void EndTrial(const std::vector<std::string>& credentials, bool accepted);

 private:
  struct Refusal {
    absl::Time at;
    Answer answer;
  };

  const Clock& clock_;
  Mutex mu_;
  CondVar trial_ended_;
  std::map<std::string, Refusal> refusals_ ABSL_GUARDED_BY(mu_);
  std::multiset<std::string> on_trial_ ABSL_GUARDED_BY(mu_);
  std::set<std::string> accepted_ ABSL_GUARDED_BY(mu_);
};

}  // namespace oneagent

#endif  // CACHE_SOURCE_REFUSALS_H_
