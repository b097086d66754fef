// A directory of one test, short enough for sockets below it, removed with
// everything in it at the end (it must not hold mounts then).
#ifndef TESTS_SUPPORT_TEMP_DIR_H_
#define TESTS_SUPPORT_TEMP_DIR_H_

#include <string>

#include "absl/strings/string_view.h"

namespace oneagent {

class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  // "<dir>/<relative>"; nothing is made.
  std::string Path(absl::string_view relative) const;
  // Makes the parents and the file; returns its path.
  std::string WriteFile(absl::string_view relative, absl::string_view content);
  // Makes the directory and its parents; returns its path.
  std::string MakeDir(absl::string_view relative);

 private:
  std::string path_;
};

// Content of a file; a test failure and "" when it cannot be read.
std::string ReadTestFile(const std::string& path);

}  // namespace oneagent

#endif  // TESTS_SUPPORT_TEMP_DIR_H_
