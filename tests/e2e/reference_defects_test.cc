// The worst defects that were seen in the reference driver's running code,
// played against ours.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/unique_fd.h"
#include "tests/e2e/node.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

class ReferenceDefectsTest : public testing::Test {
 protected:
  void SetUp() override {
    node_.ApplyDynaKube({.version = kFirstAgentVersion});
    node_.StartMounter();
    ASSERT_EQ(node_.ProvisionOnce({"--grace-period=0s", "--keep-versions=0"}),
              0)
        << node_.ProvisionerLog();
  }
  static int CountFiles(const std::string& path) {
    int count = 0;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(path)) {
      if (entry.is_regular_file() &&
          ReadWholeFile(entry.path().string()).ok()) {
        ++count;
      }
    }
    return count;
  }

  Node node_;
};

// The reference: 2001 files before, 0 after.
TEST_F(ReferenceDefectsTest, CollectionUnderMountedVolumesTakesNothing) {
  for (const char* const pod : {"a", "b", "c"}) {
    ASSERT_OK(node_.Publish({.pod = pod}));
  }
  const int before = CountFiles(node_.Target("a"));
  ASSERT_GT(before, 50);
  node_.ApplyDynaKube({.version = kSecondAgentVersion});
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(node_.ProvisionOnce({"--grace-period=0s", "--keep-versions=0"}),
              0)
        << node_.ProvisionerLog();
  }
  const ProgramResult gc = node_.Cli({"gc", "--now"});
  EXPECT_EQ(gc.exit_code, 0) << gc.out << gc.err;
  for (const char* const pod : {"a", "b", "c"}) {
    EXPECT_EQ(CountFiles(node_.Target(pod)), before);
    EXPECT_EQ(node_.RunIn(pod).exit_code, 0);
    EXPECT_EQ(node_.AgentLog(pod), AgentLine(pod, kFirstAgentVersion));
  }
  for (const char* const pod : {"a", "b", "c"}) {
    EXPECT_OK(node_.Unpublish(pod));
  }
}

// The reference: OK, the mount leaked, the live upper directory deleted.
TEST_F(ReferenceDefectsTest, UnpublishOfABusyVolumeDeletesNothing) {
  ASSERT_OK(node_.Publish({.pod = "a"}));
  const std::string file = node_.Target("a") + "/log/held";
  UniqueFd held(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_TRUE(held.ok());
  ASSERT_EQ(write(held.get(), "data", 4), 4);

  EXPECT_THAT(node_.Unpublish("a"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(node_.MountCount(), 1);
  EXPECT_THAT(ReadWholeFile(file), IsOkAndHolds(std::string("data")));
  EXPECT_EQ(node_.Volume("a")->agent_id, node_.Agents()[0].id) << "lease kept";

  held.Reset();
  EXPECT_OK(node_.Unpublish("a"));
  EXPECT_EQ(node_.MountCount(), 0);
  EXPECT_THAT(PathExists(node_.Target("a")), IsOkAndHolds(false));
}

// What a container runtime makes: the volume bound into a mount namespace of
// its own. Its processes hold files open and read on.
TEST_F(ReferenceDefectsTest, UnpublishUnderAContainersPrivateCopyIsOk) {
  ASSERT_OK(node_.Publish({.pod = "a"}));
  TempDir root;
  const std::string inside = root.MakeDir("volume");
  int ready[2], go[2];
  ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(go, O_CLOEXEC), 0);
  const pid_t container = fork();
  if (container == 0) {
    char byte = 'r';
    if (unshare(CLONE_NEWNS) != 0 ||
        mount(node_.Target("a").c_str(), inside.c_str(), nullptr, MS_BIND,
              nullptr) != 0) {
      _exit(1);
    }
    const int held =
        open((inside + "/log/mine").c_str(), O_RDWR | O_CREAT, 0644);
    if (held < 0 || pwrite(held, "1", 1, 0) != 1 ||
        write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1) {
      _exit(1);
    }
    const auto content = ReadWholeFile(inside + "/agent/res/text-0.properties");
    char both[2] = {};
    const bool goes_on = pwrite(held, "2", 1, 1) == 1 &&
                         pread(held, both, 2, 0) == 2 && both[0] == '1' &&
                         both[1] == '2';
    _exit(content.ok() && content->size() == 2000 && goes_on ? 0 : 2);
  }
  char byte;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_OK(node_.Unpublish("a"));
  EXPECT_EQ(node_.MountCount(), 0);
  ASSERT_EQ(write(go[1], "g", 1), 1);
  int status = 0;
  waitpid(container, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0) << "the container's copy went away";
  for (const int fd : {ready[0], ready[1], go[0], go[1]}) close(fd);
}

// The reference removed, as root, the path that a pod wrote into a file of its
// writable layer.
TEST_F(ReferenceDefectsTest, WhatAPodPlantsLeadsNobodyAstray) {
  TempDir outside;
  const std::string precious = outside.WriteFile("dir/precious", "keep");
  ASSERT_OK(node_.Publish({.pod = "a"}));
  const std::string target = node_.Target("a");
  const auto plant = [&](const std::string& name) {
    ASSERT_OK(WriteFileAtomically(target + "/" + name, precious, 0666,
                                  Durability::kNoSync));
  };
  plant("pod-info");
  plant("volume.json");
  ASSERT_EQ(symlink(outside.Path("dir").c_str(), (target + "/link").c_str()),
            0);
  ASSERT_EQ(symlink("/", (target + "/log/root").c_str()), 0);
  ASSERT_EQ(mkdir((target + "/locked").c_str(), 0), 0);
  ASSERT_EQ(mkfifo((target + "/fifo").c_str(), 0666), 0);
  // A pod may also replace what the agent brought by links.
  std::filesystem::remove_all(target + "/agent/conf");
  ASSERT_EQ(
      symlink(outside.Path("dir").c_str(), (target + "/agent/conf").c_str()),
      0);

  // Everything that looks at volumes: a start, stats, du, doctor.
  node_.StartMounter();
  EXPECT_OK(node_.Publish({.pod = "a"}));
  EXPECT_EQ(node_.Cli({"du"}).exit_code, 0);
  const ProgramResult doctor = node_.Cli(
      {"doctor", "--min-free=0", absl::StrCat("--endpoint=", node_.socket())});
  EXPECT_EQ(doctor.exit_code, 0) << doctor.out;

  EXPECT_OK(node_.Unpublish("a"));
  // Old enough to be deleted at once by the next start.
  const auto trash = ListDirectory(node_.layout().TrashVolumes());
  ASSERT_THAT(trash, IsOkAndHolds(testing::Not(testing::IsEmpty())));
  for (const std::string& name : *trash) {
    const std::string path = node_.layout().TrashVolumes() + "/" + name;
    std::filesystem::rename(path, path + "-old");
  }
  node_.StartMounter();
  EXPECT_TRUE(Node::WaitUntil([&] {
    const auto left = ListDirectory(node_.layout().TrashVolumes());
    return left.ok() && left->empty();
  }));
  EXPECT_OK(node_.Publish({.pod = "a"}));
  EXPECT_EQ(node_.RunIn("a").exit_code, 0);
  EXPECT_EQ(node_.AgentLog("a"), AgentLine("a", kFirstAgentVersion));
  EXPECT_OK(node_.Unpublish("a"));
  EXPECT_THAT(ReadWholeFile(precious), IsOkAndHolds(std::string("keep")));
}

// A link where the target should be would make root mount somewhere else.
TEST_F(ReferenceDefectsTest, ALinkAtTheTargetsPlaceIsRefused) {
  TempDir outside;
  outside.MakeDir("dir");
  MakeKubeletDirs(node_.Target("a"));
  ASSERT_EQ(symlink(outside.Path("dir").c_str(), node_.Target("a").c_str()), 0);
  EXPECT_THAT(node_.Publish({.pod = "a"}),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(node_.MountCount(), 0);
  EXPECT_THAT(ListDirectory(outside.Path("dir")),
              IsOkAndHolds(testing::IsEmpty()));
  ASSERT_EQ(unlink(node_.Target("a").c_str()), 0);
  EXPECT_OK(node_.Unpublish("a"));
}

}  // namespace
}  // namespace oneagent
