// flock(2) on a file beside the index, with a time limit: shared while a
// transaction runs, exclusive while the index file is created, migrated or
// replaced. Two guards of one path exclude each other also within a process.
//
// One thread at a time per guard.
#ifndef CACHE_INDEX_FILE_GUARD_H_
#define CACHE_INDEX_FILE_GUARD_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/unique_fd.h"

namespace oneagent {

class FileGuard {
 public:
  enum class Mode { kShared, kExclusive };
  enum class Missing { kCreate, kGoWithout };  // when there is no lock file

  FileGuard(std::string path, Missing missing, absl::Duration timeout);

  // Errors: Unavailable when somebody else held it whenever it was tried, over
  // the whole timeout, or the file cannot be opened.
  absl::Status Lock(Mode mode);
  void Unlock();

 private:
  absl::Status OpenFile();
  // Whether what was locked is (still) the file at the path.
  bool IsAtPath() const;

  const std::string path_;
  const Missing missing_;
  const absl::Duration timeout_;
  UniqueFd fd_;
};

}  // namespace oneagent

#endif  // CACHE_INDEX_FILE_GUARD_H_
