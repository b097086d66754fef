#include "tests/support/cgroup.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

constexpr char kRoot[] = "/sys/fs/cgroup/";

}  // namespace

Cgroup::Cgroup(const std::string& controller)
    : is_v1_(std::filesystem::exists(
          absl::StrCat(kRoot, controller, "/cgroup.procs"))),
      dir_(absl::StrCat(kRoot, is_v1_ ? controller : "", "/oneagent-csi-test-",
                        getpid())) {
  if (!is_v1_) {
    std::ofstream(absl::StrCat(kRoot, "cgroup.subtree_control"))
        << "+" << controller << std::flush;
  }
  EXPECT_EQ(mkdir(dir_.c_str(), 0755), 0) << dir_;
}

Cgroup::~Cgroup() { EXPECT_EQ(rmdir(dir_.c_str()), 0) << dir_; }

void Cgroup::Write(const std::string& file, const std::string& text) const {
  std::ofstream(absl::StrCat(dir_, "/", file)) << text << std::flush;
}

std::string Cgroup::Read(const std::string& file) const {
  return ReadTestFile(absl::StrCat(dir_, "/", file));
}

bool Cgroup::Has(pid_t pid) const {
  return absl::StrContains(Read("cgroup.procs"), absl::StrCat(pid, "\n"));
}

}  // namespace oneagent
