// What is at a pod's target, by the kernel's mount table and by what can be
// read there. Knows nothing of the product but the name of its marker.
// Thread-safe.
#ifndef TESTS_SOAK_TARGET_VIEW_H_
#define TESTS_SOAK_TARGET_VIEW_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace oneagent {

struct TargetView {
  enum class Kind {
    kNothing,  // no directory
    kBare,     // a directory on which nothing is mounted
    kAgent,
    kHost,
    kEmpty,  // with its marker
    kStrange,
  };
  Kind kind = Kind::kNothing;
  int mounts = 0;  // stacked on it
  uint64_t mount_id = 0;
  bool read_only = false;
  std::string version;  // of an agent
  std::string marker;   // of an empty one
  std::string line;     // of the mount table
};
const char* Name(TargetView::Kind kind);
// In one line, for a story.
std::string Describe(const TargetView& view);

TargetView LookAt(const std::string& target);

// Mount points below `directory`.
std::vector<std::string> MountsBelow(absl::string_view directory);

// Content of a file; false when it cannot be read, errno says why.
bool ReadFile(const std::string& path, std::string* content);
// Replaces the content; false when it cannot be written, errno says why.
bool WriteFile(const std::string& path, absl::string_view content);

}  // namespace oneagent

#endif  // TESTS_SOAK_TARGET_VIEW_H_
