#include "tests/soak/journal.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace oneagent {
namespace {

constexpr size_t kKeptFaults = 40;

}  // namespace

std::string Journal::Line(absl::string_view text) const {
  return absl::StrFormat("%9.3f  %s",
                         absl::ToDoubleSeconds(absl::Now() - start_), text);
}

void Journal::NoteFault(absl::string_view text) {
  MutexLock lock(mu_);
  faults_.push_back(Line(text));
  if (faults_.size() > kKeptFaults) faults_.pop_front();
}

void Journal::Tally(const std::string& what) {
  MutexLock lock(mu_);
  ++tallies_[what];
}

std::map<std::string, int64_t> Journal::Tallies() const {
  MutexLock lock(mu_);
  return tallies_;
}

void Journal::Violate(absl::string_view what, const Story& story) {
  MutexLock lock(mu_);
  if (is_over()) return;
  ++violations_;
  absl::StrAppend(&accounts_, "VIOLATION at operation ", operations_.load(),
                  ": ", what, "\n\nthe last faults:\n");
  for (const std::string& line : faults_) {
    absl::StrAppend(&accounts_, line, "\n");
  }
  absl::StrAppend(&accounts_, "\nwhat befell it:\n");
  for (const std::string& line : story) {
    absl::StrAppend(&accounts_, line, "\n");
  }
  absl::StrAppend(&accounts_, Line("the violation\n\n"));
}

std::string Journal::Accounts() const {
  MutexLock lock(mu_);
  return accounts_;
}

}  // namespace oneagent
