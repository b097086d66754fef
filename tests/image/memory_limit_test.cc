// A memory limit as a container has it, around the provisioner.
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "tests/support/agent/package.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tenant_api.h"

namespace oneagent {
namespace {

constexpr int64_t kMiB = 1 << 20;
// What the chart gives the provisioner.
constexpr int64_t kLimit = 256 * kMiB;
constexpr int64_t kAgentMiB = 400;

// A cgroup of its own, of either version. Page cache counts, as in a container.
class MemoryCgroup {
 public:
  explicit MemoryCgroup(int64_t limit)
      : is_v1_(std::filesystem::exists("/sys/fs/cgroup/memory/cgroup.procs")),
        dir_(absl::StrCat("/sys/fs/cgroup/", is_v1_ ? "memory/" : "",
                          "oneagent-csi-test-", getpid())) {
    if (!is_v1_) Write("../cgroup.subtree_control", "+memory");
    std::filesystem::create_directory(dir_);
    Write(is_v1_ ? "memory.limit_in_bytes" : "memory.max", absl::StrCat(limit));
    EXPECT_EQ(Read(is_v1_ ? "memory.limit_in_bytes" : "memory.max"),
              absl::StrCat(limit, "\n"));
  }
  // Once nothing runs in it.
  ~MemoryCgroup() { EXPECT_EQ(rmdir(dir_.c_str()), 0) << dir_; }
  MemoryCgroup(const MemoryCgroup&) = delete;
  MemoryCgroup& operator=(const MemoryCgroup&) = delete;

  // This process and what it starts from now on.
  void Enter() const { Write("cgroup.procs", "0"); }
  std::string Peak() const {
    return Read(is_v1_ ? "memory.max_usage_in_bytes" : "memory.peak");
  }
  bool Has(pid_t pid) const {
    return absl::StrContains(ReadTestFile(absl::StrCat(dir_, "/cgroup.procs")),
                             absl::StrCat(pid, "\n"));
  }
  // Contains "oom_kill <count>".
  std::string Events() const {
    return Read(is_v1_ ? "memory.oom_control" : "memory.events");
  }

 private:
  void Write(const std::string& file, const std::string& text) const {
    std::ofstream(absl::StrCat(dir_, "/", file)) << text << std::flush;
  }
  std::string Read(const std::string& file) const {
    return ReadTestFile(absl::StrCat(dir_, "/", file));
  }

  const bool is_v1_;
  const std::string dir_;
};

// The most memory of its own that a process has had, in KiB.
int64_t PeakResidentKib(pid_t pid) {
  const std::string status =
      ReadTestFile(absl::StrCat("/proc/", pid, "/status"));
  for (const absl::string_view line : absl::StrSplit(status, '\n')) {
    int64_t kib = 0;
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar("\t "), absl::SkipEmpty());
    if (words.size() == 3 && words[0] == "VmHWM:" &&
        absl::SimpleAtoi(words[1], &kib)) {
      return kib;
    }
  }
  return -1;
}

int64_t BytesBelow(const std::string& dir) {
  int64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir)) {
    if (entry.is_regular_file()) {
      bytes += static_cast<int64_t>(entry.file_size());
    }
  }
  return bytes;
}

// An agent's manifest is its commit point.
bool HasManifest(const std::string& dir) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(dir, error)) {
    if (entry.path().extension() == ".json") return true;
  }
  return false;
}

TEST(MemoryLimitTest, AnAgentOf400MibIsInstalledWithin256Mib) {
  TempDir dir;
  WriteAgentPackage(ONEAGENT_TEST_AGENTS, kFirstAgentVersion, dir.path(),
                    kAgentMiB);
  TenantApiServer tenant;
  tenant.Update([&dir](ServedTenant& state) {
    state.agents[kFirstAgentVersion].path =
        dir.Path(absl::StrCat(kFirstAgentVersion, ".zip"));
  });
  dir.WriteFile("dynakubes/demo.yaml",
                absl::StrCat("apiVersion: dynatrace.com/v1beta6\n"
                             "kind: DynaKube\n"
                             "metadata: {name: demo, namespace: dynatrace}\n"
                             "spec:\n  apiUrl: ",
                             tenant.api_url(),
                             "\n  oneAgent: {applicationMonitoring: {}}\n"
                             "---\napiVersion: v1\nkind: Secret\n"
                             "metadata: {name: demo, namespace: dynatrace}\n"
                             "stringData: {apiToken: ",
                             kTenantApiToken, "}\n"));
  const MemoryCgroup cgroup(kLimit);
  Daemon provisioner(
      {absl::StrCat(ONEAGENT_BUILD_DIR, "/bin/oneagent-csi-provisioner"),
       absl::StrCat("--data-dir=", dir.Path("data")),
       absl::StrCat("--dynakube-dir=", dir.Path("dynakubes"))},
      dir.Path("provisioner.log"), [&] { cgroup.Enter(); });
  while (!HasManifest(dir.Path("data/agents")) && provisioner.IsRunning()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_TRUE(provisioner.IsRunning()) << provisioner.Log() << cgroup.Events();
  EXPECT_TRUE(cgroup.Has(provisioner.pid()));
  const int64_t resident = PeakResidentKib(provisioner.pid());
  std::cout << "own memory, at most: " << resident
            << " KiB; with page cache, bytes: " << cgroup.Peak();
  EXPECT_GT(BytesBelow(dir.Path("data/agents")), kAgentMiB * kMiB);
  EXPECT_GT(resident, 0);
  EXPECT_LT(resident * 1024, kLimit / 2);
  EXPECT_EQ(provisioner.Terminate(), 0) << provisioner.Log();
  EXPECT_TRUE(absl::StrContains(cgroup.Events(), "oom_kill 0\n"))
      << cgroup.Events();
}

}  // namespace
}  // namespace oneagent
