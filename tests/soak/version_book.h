// Which version of the agent a new pod may get: what has been wanted for its
// DynaKube, since when, and when the node was seen to have it. Thread-safe.
#ifndef TESTS_SOAK_VERSION_BOOK_H_
#define TESTS_SOAK_VERSION_BOOK_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace oneagent {

class VersionBook {
 public:
  // "" : the DynaKube is deleted.
  void Want(const std::string& dynakube, const std::string& version);
  std::string Wanted(const std::string& dynakube) const;
  // The node says that it has what is wanted.
  void Settle(const std::string& dynakube);
  // The last settled version and all that were wanted since. To want one of
  // those again would make it impossible to say which wish was settled.
  std::set<std::string> Recent(const std::string& dynakube) const;

  // May a pod whose publish lay between `from` and `to` have got `version`?
  // From the moment on when it was wanted, until a later one is settled.
  bool MayHave(const std::string& dynakube, absl::string_view version,
               absl::Time from, absl::Time to) const;
  // For accounts.
  std::string Describe(const std::string& dynakube) const;

 private:
  struct Wish {
    std::string version;
    absl::Time since;
    absl::Time settled_at = absl::InfiniteFuture();
  };

  mutable Mutex mu_;
  std::map<std::string, std::vector<Wish>> wishes_ ABSL_GUARDED_BY(mu_);
};

}  // namespace oneagent

#endif  // TESTS_SOAK_VERSION_BOOK_H_
