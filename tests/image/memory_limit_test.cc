// A memory limit as a container has it, around the provisioner.
#include <chrono>
#include <cstdint>
#include <filesystem>
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
#include "tests/support/cgroup.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tenant_api.h"

namespace oneagent {
namespace {

constexpr int64_t kMiB = 1 << 20;
// What the chart gives the provisioner.
constexpr int64_t kLimit = 256 * kMiB;
constexpr int64_t kAgentMiB = 400;

// The limit counts page cache, as a container's does.
void LimitMemory(const Cgroup& cgroup, int64_t bytes) {
  const char* const file =
      cgroup.is_v1() ? "memory.limit_in_bytes" : "memory.max";
  cgroup.Write(file, absl::StrCat(bytes));
  EXPECT_EQ(cgroup.Read(file), absl::StrCat(bytes, "\n"));
}
std::string PeakOf(const Cgroup& cgroup) {
  return cgroup.Read(cgroup.is_v1() ? "memory.max_usage_in_bytes"
                                    : "memory.peak");
}
// Contains "oom_kill <count>".
std::string EventsOf(const Cgroup& cgroup) {
  return cgroup.Read(cgroup.is_v1() ? "memory.oom_control" : "memory.events");
}

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
  const Cgroup cgroup("memory");
  LimitMemory(cgroup, kLimit);
  Daemon provisioner(
      {absl::StrCat(ONEAGENT_BUILD_DIR, "/bin/oneagent-csi-provisioner"),
       absl::StrCat("--data-dir=", dir.Path("data")),
       absl::StrCat("--dynakube-dir=", dir.Path("dynakubes"))},
      dir.Path("provisioner.log"), [&] { cgroup.Enter(); });
  while (!HasManifest(dir.Path("data/agents")) && provisioner.IsRunning()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_TRUE(provisioner.IsRunning()) << provisioner.Log() << EventsOf(cgroup);
  EXPECT_TRUE(cgroup.Has(provisioner.pid()));
  const int64_t resident = PeakResidentKib(provisioner.pid());
  std::cout << "own memory, at most: " << resident
            << " KiB; with page cache, bytes: " << PeakOf(cgroup);
  EXPECT_GT(BytesBelow(dir.Path("data/agents")), kAgentMiB * kMiB);
  EXPECT_GT(resident, 0);
  EXPECT_LT(resident * 1024, kLimit / 2);
  EXPECT_EQ(provisioner.Terminate(), 0) << provisioner.Log();
  EXPECT_TRUE(absl::StrContains(EventsOf(cgroup), "oom_kill 0\n"))
      << EventsOf(cgroup);
}

}  // namespace
}  // namespace oneagent
