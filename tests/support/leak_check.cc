#include "tests/support/leak_check.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace oneagent {
namespace {

std::vector<std::string> OpenDescriptors() {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/self/fd", error)) {
    std::error_code link_error;
    const auto link = std::filesystem::read_symlink(entry.path(), link_error);
    // The iterator's own descriptor is gone by now or points to the listing.
    if (link_error || link.string().find("/proc/") == 0) continue;
    found.push_back(entry.path().filename().string() + " -> " + link.string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<std::string> MountLines() {
  std::vector<std::string> lines;
  std::ifstream in("/proc/self/mountinfo");
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  return lines;
}

}  // namespace

LeakCheck::LeakCheck()
    : descriptors_(OpenDescriptors()), mounts_(MountLines()) {}

LeakCheck::~LeakCheck() {
  EXPECT_THAT(OpenDescriptors(), testing::ElementsAreArray(descriptors_));
  EXPECT_THAT(MountLines(), testing::ElementsAreArray(mounts_));
}

}  // namespace oneagent
