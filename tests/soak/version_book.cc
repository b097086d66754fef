#include "tests/soak/version_book.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace oneagent {
namespace {

// A call's window is never longer than this.
constexpr size_t kKeptWishes = 200;

}  // namespace

void VersionBook::Want(const std::string& dynakube,
                       const std::string& version) {
  MutexLock lock(mu_);
  std::vector<Wish>& wishes = wishes_[dynakube];
  if (wishes.size() > kKeptWishes) wishes.erase(wishes.begin());
  wishes.push_back({.version = version, .since = absl::Now()});
}

std::string VersionBook::Wanted(const std::string& dynakube) const {
  MutexLock lock(mu_);
  const auto found = wishes_.find(dynakube);
  return found == wishes_.end() ? "" : found->second.back().version;
}

void VersionBook::Settle(const std::string& dynakube) {
  MutexLock lock(mu_);
  Wish& last = wishes_[dynakube].back();
  last.settled_at = std::min(last.settled_at, absl::Now());
}

std::set<std::string> VersionBook::Recent(const std::string& dynakube) const {
  MutexLock lock(mu_);
  std::set<std::string> recent;
  const auto found = wishes_.find(dynakube);
  if (found == wishes_.end()) return recent;
  for (auto it = found->second.rbegin(); it != found->second.rend(); ++it) {
    recent.insert(it->version);
    if (it->settled_at != absl::InfiniteFuture()) break;
  }
  return recent;
}

bool VersionBook::MayHave(const std::string& dynakube,
                          absl::string_view version, absl::Time from,
                          absl::Time to) const {
  MutexLock lock(mu_);
  const auto found = wishes_.find(dynakube);
  if (found == wishes_.end()) return false;
  absl::Time over = absl::InfiniteFuture();
  for (auto it = found->second.rbegin(); it != found->second.rend(); ++it) {
    if (it->version == version && it->since <= to && over >= from) return true;
    over = std::min(over, it->settled_at);
  }
  return false;
}

std::string VersionBook::Describe(const std::string& dynakube) const {
  MutexLock lock(mu_);
  const auto found = wishes_.find(dynakube);
  if (found == wishes_.end()) return "never wanted";
  std::string text;
  const size_t size = found->second.size();
  for (size_t i = size > 4 ? size - 4 : 0; i < size; ++i) {
    const Wish& wish = found->second[i];
    absl::StrAppend(
        &text, " [", wish.version, " for ",
        absl::FormatDuration(absl::Now() - wish.since),
        wish.settled_at == absl::InfiniteFuture()
            ? ""
            : absl::StrCat(", settled ",
                           absl::FormatDuration(absl::Now() - wish.settled_at),
                           " ago"),
        "]");
  }
  return text;
}

}  // namespace oneagent
