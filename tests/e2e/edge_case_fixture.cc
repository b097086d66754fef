#include "tests/e2e/edge_case_fixture.h"

#include <fcntl.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/durable_file.h"

namespace oneagent {

CsiPublishCall EdgeCaseTest::CallOf(const PodVolume& volume) const {
  CsiPublishCall call = KubeletPublishCall(
      node_.kubelet_dir(),
      {.name = volume.pod, .namespace_name = "shop", .uid = Uid(volume.pod)},
      kSimVolumeName, AttributesOf(volume));
  MakeKubeletDirs(call.target_path);
  return call;
}

std::vector<absl::Status> EdgeCaseTest::AtOnce(
    size_t count, const std::function<absl::Status()>& work) {
  std::vector<absl::Status> answers(count);
  std::vector<std::thread> threads;
  for (absl::Status& answer : answers) {
    threads.emplace_back([&answer, &work] { answer = work(); });
  }
  for (std::thread& thread : threads) thread.join();
  return answers;
}

std::vector<std::string> EdgeCaseTest::FilesWith(const std::string& directory,
                                                 const std::string& text) {
  std::vector<std::string> found;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    const auto content = ReadWholeFile(entry.path().string());
    if (content.ok() && absl::StrContains(*content, text)) {
      found.push_back(entry.path().string());
    }
  }
  return found;
}

void EdgeCaseTest::MountTmpfs(const std::string& path) {
  ASSERT_EQ(mount("foreign", path.c_str(), "tmpfs", 0, nullptr), 0);
}

UniqueFd EdgeCaseTest::MountFuse(const std::string& path) {
  UniqueFd fuse(open("/dev/fuse", O_RDWR | O_CLOEXEC));
  EXPECT_TRUE(fuse.ok());
  const std::string options =
      absl::StrCat("fd=", fuse.get(), ",rootmode=40000,user_id=0,group_id=0");
  EXPECT_EQ(mount("fuse", path.c_str(), "fuse", 0, options.c_str()), 0);
  return fuse;
}

int64_t EdgeCaseTest::BytesRead() {
  std::ifstream in(absl::StrCat("/proc/", node_.mounter().pid(), "/io"));
  std::string key;
  int64_t bytes = -1;
  in >> key >> bytes;
  EXPECT_EQ(key, "rchar:");
  return bytes;
}

int64_t EdgeCaseTest::BytesReadFor(const std::vector<std::string>& pods) {
  const int64_t before = BytesRead();
  for (const std::string& pod : pods) CreatePod({.pod = pod});
  EXPECT_TRUE(RunUntilSettled());
  for (const std::string& pod : pods) DeletePod(pod);
  EXPECT_TRUE(RunUntilSettled());
  return BytesRead() - before;
}

}  // namespace oneagent
