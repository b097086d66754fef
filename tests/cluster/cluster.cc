#include "tests/cluster/cluster.h"

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace oneagent {

ProgramResult Cluster::Run(const std::vector<std::string>& words) {
  std::vector<std::string> argv = {ONEAGENT_CLUSTER_DIR "/cluster.sh"};
  argv.insert(argv.end(), words.begin(), words.end());
  return RunProgram(argv);
}

std::string Cluster::Must(const std::vector<std::string>& words) {
  const ProgramResult result = Run(words);
  EXPECT_EQ(result.exit_code, 0)
      << words[0] << " " << (words.size() > 1 ? words[1] : "") << ": "
      << result.err;
  return result.out;
}

std::string Cluster::Kubectl(std::vector<std::string> words) {
  words.insert(words.begin(), "kubectl");
  return Must(words);
}

std::string Cluster::Get(const std::string& namespace_name,
                         const std::string& what, const std::string& jsonpath) {
  return Run({"kubectl", "get", "-n", namespace_name, what, "-o",
              absl::StrCat("jsonpath=", jsonpath)})
      .out;
}

void Cluster::Apply(absl::string_view yaml) {
  TempDir dir;
  Kubectl({"apply", "-f", dir.WriteFile("manifest.yaml", yaml)});
}

std::string Cluster::Log(const std::string& namespace_name,
                         const std::string& pod) {
  return Run({"kubectl", "logs", "-n", namespace_name, pod}).out;
}

std::string Cluster::Describe(const std::string& namespace_name,
                              const std::string& pod) {
  return Run({"kubectl", "describe", "pod", "-n", namespace_name, pod}).out;
}

ProgramResult Cluster::Exec(const std::string& namespace_name,
                            const std::string& pod,
                            const std::vector<std::string>& argv) {
  std::vector<std::string> words = {"kubectl",      "exec", "-n",
                                    namespace_name, pod,    "--"};
  words.insert(words.end(), argv.begin(), argv.end());
  return Run(words);
}

ProgramResult Cluster::Cli(const std::vector<std::string>& words) {
  std::vector<std::string> argv = {
      "kubectl", "exec",    "-n", kDriverNamespace,        "ds/oneagent-csi",
      "-c",      "mounter", "--", "/usr/bin/oneagent-csi", "--data-dir=/data"};
  argv.insert(argv.end(), words.begin(), words.end());
  return Run(argv);
}

std::string Cluster::PidOf(const std::string& program) {
  return std::string(absl::StripSuffix(
      Run({"exec", "pgrep", "-f", absl::StrCat("^/usr/bin/", program)}).out,
      "\n"));
}

bool Cluster::AwaitDriver() {
  return WaitUntil([] {
    const std::string state =
        Get(kDriverNamespace, "pods",
            "{range .items[*]}{.metadata.deletionTimestamp}"
            "{.status.containerStatuses[*].ready};{end}");
    const std::string known =
        Get(kDriverNamespace, "csinodes", "{.items[*].spec.drivers[*].name}");
    return state == "true true;" && known == "csi.oneagent.dynatrace.com";
  });
}

bool WaitUntil(const std::function<bool()>& done, absl::Duration limit) {
  const absl::Time end = absl::Now() + limit;
  while (!done()) {
    if (absl::Now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }
  return true;
}

}  // namespace oneagent
