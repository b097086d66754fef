#include "tests/support/process_figures.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"

namespace oneagent {

ProcessFigures FiguresOf(pid_t pid) {
  ProcessFigures figures;
  std::ifstream in(absl::StrCat("/proc/", pid, "/status"));
  for (std::string line; std::getline(in, line);) {
    absl::string_view rest = line;
    int64_t* const into =
        absl::ConsumePrefix(&rest, "VmRSS:")   ? &figures.rss_kib
        : absl::ConsumePrefix(&rest, "VmHWM:") ? &figures.peak_rss_kib
                                               : nullptr;
    if (into == nullptr) continue;
    EXPECT_TRUE(absl::SimpleAtoi(absl::StripSuffix(rest, "kB"), into)) << line;
  }
  const std::filesystem::directory_iterator fds(
      absl::StrCat("/proc/", pid, "/fd"));
  figures.descriptors = static_cast<int>(std::distance(begin(fds), end(fds)));
  return figures;
}

}  // namespace oneagent
