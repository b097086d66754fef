#include "cache/source/refusals.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/deadline.h"
#include "base/sha256.h"

namespace oneagent {
namespace {

constexpr absl::Duration kLongestTrial = absl::Seconds(3);

std::string DigestOf(const std::vector<std::string>& credentials) {
  std::string all;
  // Lengths keep one part's end from another one's beginning.
  for (const std::string& part : credentials) {
    absl::StrAppend(&all, part.size(), ":", part);
  }
  return Sha256Hex(all);
}

}  // namespace

std::optional<Refusals::Answer> Refusals::Find(
    const std::vector<std::string>& credentials) {
  const absl::Time now = clock_.Now();
  MutexLock lock(mu_);
  for (auto it = refusals_.begin(); it != refusals_.end();) {
    // A clock that was set back must not lock anybody out.
    const bool is_over = now >= it->second.at + kPause || now < it->second.at;
    it = is_over ? refusals_.erase(it) : std::next(it);
  }
  const auto found = refusals_.find(DigestOf(credentials));
  if (found == refusals_.end()) return std::nullopt;
  return found->second.answer;
}

void Refusals::Remember(const std::vector<std::string>& credentials,
                        Answer refusal) {
  const absl::Time now = clock_.Now();
  MutexLock lock(mu_);
  refusals_.insert_or_assign(DigestOf(credentials),
                             Refusal{now, std::move(refusal)});
}

void Refusals::BeginTrial(const std::vector<std::string>& credentials) {
  const std::string digest = DigestOf(credentials);
  const Deadline deadline(kLongestTrial);
  MutexLock lock(mu_);
  while (on_trial_.contains(digest) && !accepted_.contains(digest)) {
    const absl::Duration left = deadline.Left();
    if (left == absl::ZeroDuration()) break;
    trial_ended_.WaitFor(mu_, left);
  }
  on_trial_.insert(digest);
}

void Refusals::EndTrial(const std::vector<std::string>& credentials,
                        bool accepted) {
  const std::string digest = DigestOf(credentials);
  MutexLock lock(mu_);
  on_trial_.erase(on_trial_.find(digest));
  if (accepted) accepted_.insert(digest);
  trial_ended_.NotifyAll();
}

}  // namespace oneagent
